import { expect } from "bun:test";
import { type MysqlAddress, useServices } from "../../services/index.ts";
import { type FaultProxy, faultProxy } from "../../support/fault-proxy.ts";
import { holdsFor, testSeed, waitFor } from "../../support/index.ts";
import { freshDatabase } from "../../support/mysql-client.ts";
import { type RunningInput, runInput } from "../../support/mysql-input.ts";

const services = await useServices("mysql", "mariadb");

/** A reader through a proxy that takes a server for dead after about 1.4 s of silence. */
async function withReader(
  at: MysqlAddress,
  use: (around: {
    readonly proxy: FaultProxy;
    readonly input: RunningInput;
    insert(id: number): Promise<void>;
    ids(): unknown[];
  }) => Promise<void>,
): Promise<void> {
  const { client, db } = await freshDatabase(at, "silence");
  await client.query(`CREATE TABLE ${db}.t (id INT PRIMARY KEY)`);
  const proxy = await faultProxy(at, { seed: testSeed("silence") });
  const config = { databases: [db], heartbeatMs: 300, connectTimeoutMs: 500 };
  const input = await runInput(proxy, config);
  await input.streaming();
  const insert = async (id: number) =>
    void (await client.query(`INSERT INTO ${db}.t VALUES (${id})`));
  const ids = () => input.rows().map(({ after }) => after?.[0]);
  try {
    await use({ proxy, input, insert, ids });
  } finally {
    await input.stop();
    await proxy.close();
    client.close();
  }
}

const told = (input: RunningInput, text: string) =>
  waitFor(() => input.states.some((state) => state?.includes(text)), { what: `"${text}"` });

const halfOpen = (at: MysqlAddress) =>
  withReader(at, async ({ proxy, input, insert, ids }) => {
    await insert(1);
    await input.rowsReach(1);
    const stream = proxy.connections().at(-1)!.number;
    proxy.add({ type: "half_open", left: "client" }, { connection: stream });
    await insert(2);
    await told(input, "neither events nor heartbeats");
    await input.rowsReach(2);
    await insert(3);
    await input.rowsReach(3);
    expect([ids(), input.gaps, input.states.at(-1)]).toEqual([[1, 2, 3], [], null]);
  });

const partition = (at: MysqlAddress) =>
  withReader(at, async ({ proxy, input, insert, ids }) => {
    await insert(1);
    await input.rowsReach(1);
    const wall = proxy.add({ type: "blackhole" });
    await insert(2);
    await told(input, "neither events nor heartbeats");
    const attempts = proxy.stats().accepted;
    await waitFor(() => proxy.stats().accepted > attempts + 1, { what: "more attempts" });
    await holdsFor(() => ids().length === 1, { ms: 50, what: "no row through the wall" });
    expect(input.ended).toBeUndefined();
    wall.remove();
    // What the wall held back reaches connections that were given up: no row may come by those.
    await input.rowsReach(2);
    await insert(3);
    await input.rowsReach(3);
    expect([ids(), input.gaps, input.states.at(-1)]).toEqual([[1, 2, 3], [], null]);
  });

services.test("fault 3: a stream whose server went without a word is left (mysql)", ({ mysql }) =>
  halfOpen(mysql),
);

services.test("fault 3: a stream whose server went without a word is left (mariadb)", (all) =>
  halfOpen(all.mariadb),
);

services.test("fault 3: a partition is waited out, and each row comes once (mysql)", ({ mysql }) =>
  partition(mysql),
);

services.test("fault 3: a partition is waited out, and each row comes once (mariadb)", (all) =>
  partition(all.mariadb),
);
