import { expect } from "bun:test";
import { createFormat } from "#src/format/format.ts";
import { type MysqlAddress, useServices } from "../../services/index.ts";
import { freshDatabase } from "../../support/mysql-client.ts";
import { runInput } from "../../support/mysql-input.ts";

const services = await useServices("mysql", "mariadb");

const columns = Array.from({ length: 16 }, (_, n) => `c${n}`);
/** Not in the order of the columns. */
const keyOrder = columns.toReversed();

/** The keys of the records that each row becomes in a keyed log, with what the record is. */
async function keysOn(at: MysqlAddress, metadata: "MINIMAL" | "FULL"): Promise<void> {
  const { client, db } = await freshDatabase(at, "keys");
  await client.query(`USE ${db}`);
  const [old] = await client.query("SELECT @@GLOBAL.binlog_row_metadata AS metadata");
  await client.query(`SET GLOBAL binlog_row_metadata = ${metadata}`);
  const definition = columns.map((name) => `${name} INT NOT NULL`).join(", ");
  await client.query("CREATE TABLE bare (a INT, b INT NULL, UNIQUE KEY (b))");
  await client.query(`CREATE TABLE wide (${definition}, v INT, PRIMARY KEY (${keyOrder}))`);
  await client.query("CREATE TABLE prefix (t VARCHAR(50) NOT NULL, n INT, PRIMARY KEY (t(3)))");
  await client.query("CREATE TABLE pair (a INT, b VARCHAR(9), n INT, PRIMARY KEY (b, a))");
  const input = await runInput(at, { databases: [db] });
  await input.streaming();
  const numbers = columns.map((_, n) => n);
  for (const sql of [
    "INSERT INTO bare VALUES (1, NULL), (1, NULL)",
    "UPDATE bare SET b = 7 LIMIT 1",
    "DELETE FROM bare WHERE b IS NULL",
    `INSERT INTO wide VALUES (${numbers}, 0)`,
    "UPDATE wide SET v = 1",
    "UPDATE wide SET c0 = 100",
    "INSERT INTO prefix VALUES ('abcdef', 1)",
    "INSERT INTO pair VALUES (1, 'x', 0)",
    "UPDATE pair SET a = 2, n = 1",
    "DELETE FROM pair",
  ]) {
    await client.query(sql);
  }
  await input.rowsReach(11);
  const format = createFormat("debezium", { wall: () => 0 });
  const records = input.packets.map((packet) =>
    format.records(packet).map(({ key, value }) => [key, value === null ? "tombstone" : "value"]),
  );
  const wide = (first: number) =>
    JSON.stringify(Object.fromEntries(keyOrder.map((c) => [c, c === "c0" ? first : +c.slice(1)])));
  const moved = (from: string, to: string) => [
    [from, "value"],
    [from, "tombstone"],
    [to, "value"],
  ];
  const [pair1, pair2] = ['{"b":"x","a":1}', '{"b":"x","a":2}'];
  expect(records).toEqual([
    // Without a primary key there is none: a unique key may hold NULL any number of times.
    ...[1, 2, 3, 4].map(() => [[null, "value"]]),
    [[wide(0), "value"]],
    [[wide(0), "value"]],
    moved(wide(0), wide(100)),
    // The whole value, though the server looks at three characters of it.
    [['{"t":"abcdef"}', "value"]],
    [[pair1, "value"]],
    moved(pair1, pair2),
    [
      [pair2, "value"],
      [pair2, "tombstone"],
    ],
  ]);
  await input.stop();
  await client.query(`SET GLOBAL binlog_row_metadata = ${old?.metadata}`);
  await client.query(`DROP DATABASE ${db}`);
  client.close();
}

for (const metadata of ["MINIMAL", "FULL"] as const) {
  const how = `with ${metadata.toLowerCase()} row metadata`;
  services.test(
    `fault 101: keys of many columns, changed ones, prefixes and none at all, ${how}`,
    async ({ mysql, mariadb }) => {
      await Promise.all([keysOn(mysql, metadata), keysOn(mariadb, metadata)]);
    },
  );
}
