import { expect } from "bun:test";
import type { RowChange, Value } from "#plugin";
import type { MysqlConnection } from "#src/clients/mysql/connection.ts";
import { type MysqlAddress, useServices } from "../../services/index.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { type Random, seededRandom, testSeed } from "../../support/index.ts";
import { freshDatabase } from "../../support/mysql-client.ts";
import { positionsOf, runInput } from "../../support/mysql-input.ts";

const services = await useServices("mysql", "mariadb");

type Row = readonly [id: number, body: string];
type Expected = {
  readonly op: RowChange["op"];
  readonly before: Row | undefined;
  readonly after: Row | undefined;
};

/**
 * Transactions of one row, of many statements and of many rows in one event, so that a cut may
 * fall anywhere in any of them. About 12 KB of binlog; the table is empty again at the end.
 */
async function workload(client: MysqlConnection, table: string, random: Random) {
  const expected: Expected[] = [];
  const body = () => Buffer.from(random.bytes(random.int(20, 80))).toString("hex");
  const sql = ([id, text]: Row) => `(${id}, '${text}')`;
  const insert = async (rows: readonly Row[]) => {
    await client.query(`INSERT INTO ${table} VALUES ${rows.map(sql).join(", ")}`);
    for (const after of rows) expected.push({ op: "I", before: undefined, after });
  };
  const made = (from: number, count: number) =>
    Array.from({ length: count }, (_, n): Row => [from + n, body()]);

  await insert(made(0, 1));
  await client.query("BEGIN");
  for (let id = 1; id < 8; id++) await insert(made(id, 1));
  await client.query("COMMIT");
  const many = made(8, 24);
  await insert(many);
  await client.query(`UPDATE ${table} SET body = CONCAT('u', body) WHERE id >= 8`);
  for (const before of many) {
    expected.push({ op: "U", before, after: [before[0], `u${before[1]}`] });
  }
  await client.query(`DELETE FROM ${table}`);
  for (const { op, after } of [...expected]) {
    const updated = op === "I" && after !== undefined && after[0] >= 8;
    if (!updated) expected.push({ op: "D", before: after, after: undefined });
  }
  return expected;
}

const seen = ({ op, before, after }: RowChange) => ({ op, before, after });
type Images = { before: readonly Value[] | undefined; after: readonly Value[] | undefined };

/** A reader whose stream is reset after so many more bytes from the server. */
async function readerToCut(at: MysqlAddress, db: string, afterBytes: number, seed: number) {
  const proxy = await faultProxy(at, { seed });
  // Heartbeats would move the place of the cut.
  const input = await runInput(proxy, { databases: [db], heartbeatMs: 60_000 });
  await input.streaming();
  const stream = proxy.connections().at(-1)!.number;
  const cut = proxy.add(
    { type: "reset", afterBytes },
    { direction: "downstream", connection: stream },
  );
  return { proxy, input, cut, afterBytes };
}

async function sweep(at: MysqlAddress): Promise<void> {
  const seed = testSeed(`fault 2 on ${at.flavor}`);
  const random = seededRandom(seed);
  const drawn = Array.from({ length: 33 }, () => random.int(1, 4_095));
  const offsets = random.shuffle([0, 1, 4_096, ...drawn]);
  const { client, db } = await freshDatabase(at, "reset");
  await client.query(`CREATE TABLE ${db}.t (id INT PRIMARY KEY, body TEXT)`);
  for (let first = 0; first < offsets.length; first += 12) {
    const lot = offsets.slice(first, first + 12);
    const readers = await Promise.all(lot.map((bytes) => readerToCut(at, db, bytes, seed)));
    const expected = await workload(client, `${db}.t`, random);
    for (const { input, cut, afterBytes } of readers) {
      const rows = await input.rowsReach(expected.length);
      // Compared whole, so a half row, a lost one and a doubled one all show; and with the offset.
      expect([afterBytes, cut.acted, rows.map(seen)] as unknown).toEqual([afterBytes, 1, expected]);
      expect(input.gaps).toEqual([]);
    }
    const [{ input }] = readers as [(typeof readers)[number]];
    await goesOnFromAny(at, db, positionsOf(input), expected, random);
    for (const one of readers) {
      await one.input.stop();
      await one.proxy.close();
      // Whatever came after the last row would be a row twice.
      expect(one.input.packets.length).toBe(expected.length);
    }
  }
  client.close();
}

/** The positions that rows got across the cut are good: after each come the rows after it. */
async function goesOnFromAny(
  at: MysqlAddress,
  db: string,
  positions: ReturnType<typeof positionsOf>,
  expected: readonly Images[],
  random: Random,
): Promise<void> {
  const after = random.int(0, expected.length - 2);
  const input = await runInput(at, { databases: [db] }, { resume: positions[after]! });
  const rows = await input.rowsReach(expected.length - after - 1);
  expect([after, rows.map(seen)] as unknown).toEqual([after, expected.slice(after + 1)]);
  await input.stop();
}

services.test(
  "fault 2: a stream that is reset amid an event goes on with no row halved, lost or twice (mysql)",
  ({ mysql }) => sweep(mysql),
);

services.test(
  "fault 2: a stream that is reset amid an event goes on with no row halved, lost or twice (mariadb)",
  ({ mariadb }) => sweep(mariadb),
);
