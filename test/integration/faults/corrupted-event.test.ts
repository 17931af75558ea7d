import { expect } from "bun:test";
import type { Json } from "#src/flow/position.ts";
import { type MysqlAddress, useServices } from "../../services/index.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { testSeed } from "../../support/index.ts";
import { freshDatabase } from "../../support/mysql-client.ts";
import { runInput } from "../../support/mysql-input.ts";

const services = await useServices("mysql", "mariadb");

/** Within the row of 3 MB, whatever was said on the connection before it. */
const amidTheRow = 1_000_000;
const bodyBytes = 3_000_000;

async function withBigRow(
  at: MysqlAddress,
  connection: "the stream's" | "every",
  use: (around: Awaited<ReturnType<typeof begin>>) => Promise<void>,
): Promise<void> {
  const around = await begin(at, connection);
  try {
    await use(around);
  } finally {
    await around.input.stop();
    await around.proxy.close();
    around.client.close();
  }
}

async function begin(at: MysqlAddress, connection: "the stream's" | "every") {
  const { client, db } = await freshDatabase(at, "corrupt");
  await client.query(`CREATE TABLE ${db}.t (id INT PRIMARY KEY, body LONGTEXT)`);
  const proxy = await faultProxy(at, { seed: testSeed("corrupted event") });
  const input = await runInput(proxy, { databases: [db] });
  await input.streaming();
  const stream = proxy.connections().at(-1)!.number;
  const toxic = proxy.add(
    { type: "corrupt_byte", afterBytes: amidTheRow },
    { direction: "downstream", ...(connection === "every" ? {} : { connection: stream }) },
  );
  await client.query(`INSERT INTO ${db}.t VALUES (1, 'one'), (2, 'two')`);
  await client.query(`INSERT INTO ${db}.t VALUES (3, REPEAT('x', ${bodyBytes}))`);
  await client.query(`INSERT INTO ${db}.t VALUES (4, 'four')`);
  return { client, db, proxy, input, toxic };
}

const good = [
  [1, "one"],
  [2, "two"],
  [3, "x".repeat(bodyBytes)],
  [4, "four"],
];

async function onceWrong(at: MysqlAddress): Promise<void> {
  await withBigRow(at, "the stream's", async ({ input, toxic }) => {
    const rows = await input.rowsReach(4);
    // Compared in one, so that a difference does not print three million letters.
    expect(Bun.deepEquals(rows.map(({ after }) => after) as unknown, good)).toBe(true);
    expect(toxic.acted).toBe(1);
    expect(input.states.filter((state) => state?.includes("CRC32"))).toHaveLength(1);
    expect([input.states.at(-1), input.gaps]).toEqual([null, []]);
  });
}

async function alwaysWrong(at: MysqlAddress): Promise<void> {
  await withBigRow(at, "every", async ({ input, toxic, db }) => {
    const error = await input.fails();
    expect(error.code).toBe("BINLOG_CHECKSUM");
    expect(toxic.acted).toBe(2);
    expect(input.rows().map(({ after }) => after?.[0])).toEqual([1, 2]);
    expect(input.gaps).toEqual([]);
    // Nothing was skipped: from where it stopped the good bytes give all the rest.
    const position = JSON.parse(JSON.stringify(input.packets.at(-1)!.position)) as Json;
    const next = await runInput(at, { databases: [db] }, { resume: position });
    const rows = await next.rowsReach(2);
    expect(Bun.deepEquals(rows.map(({ after }) => after) as unknown, good.slice(2))).toBe(true);
    await next.stop();
  });
}

services.test("fault 15: an event that came with a wrong byte is asked for again (mysql)", (all) =>
  onceWrong(all.mysql),
);

services.test(
  "fault 15: an event that came with a wrong byte is asked for again (mariadb)",
  (all) => onceWrong(all.mariadb),
);

services.test("fault 15: one that is always wrong stops the input, never skipped (mysql)", (all) =>
  alwaysWrong(all.mysql),
);

services.test(
  "fault 15: one that is always wrong stops the input, never skipped (mariadb)",
  (all) => alwaysWrong(all.mariadb),
);
