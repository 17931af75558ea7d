import { expect } from "bun:test";
import type { MysqlAddress } from "../services/index.ts";
import { useServices } from "../services/index.ts";
import { waitFor } from "../support/index.ts";
import { tableOn } from "../support/mysql-client.ts";
import { type RunningInput, runInput } from "../support/mysql-input.ts";
import { tempDir } from "../support/temp-dir.ts";

const services = await useServices("mysql", "mariadb");

/** Of this run alone: these servers are shared. */
const readerId = 2 ** 30 + Math.floor(Math.random() * 2 ** 30);
const yields = (one: RunningInput, id: number) =>
  one.states.some((state) => state?.includes(`another reader came with serverId ${id}`));

async function takesOver(at: MysqlAddress): Promise<void> {
  const { client, db } = await tableOn(at);
  const config = { databases: [db], onPositionLost: "latest" };
  // Each has drawn an id for itself, as a process of its own has.
  const of = (name: string) => ({ readerId, stateDir: tempDir(name) });
  const zombie = await runInput(at, config, of("zombie"));
  await zombie.streaming();
  const owner = await runInput(at, config, of("owner"));
  await owner.streaming();
  await waitFor(() => yields(zombie, readerId), { what: "the server to end the former reader" });
  await zombie.stop();
  await client.query(`INSERT INTO ${db}.a VALUES (1)`);
  await owner.rowsReach(1);
  expect([zombie.packets.length, yields(owner, readerId)]).toEqual([0, false]);
  await owner.stop();
  client.close();
}

services.test("a new owner's reader makes the server end that of the former one", async (all) => {
  await Promise.all([takesOver(all.mysql), takesOver(all.mariadb)]);
});

services.test("an id of the configuration counts more, in a cluster too", async ({ mysql }) => {
  const { client, db } = await tableOn(mysql);
  const config = { databases: [db], onPositionLost: "latest", serverId: readerId + 1 };
  const former = await runInput(mysql, config);
  await former.streaming();
  const next = await runInput(mysql, config, { readerId });
  await next.streaming();
  await waitFor(() => yields(former, readerId + 1), { what: "the former one to yield" });
  await Promise.all([former.stop(), next.stop()]);
  client.close();
});
