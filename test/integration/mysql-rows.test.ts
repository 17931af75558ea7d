import { describe, expect } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Json } from "#src/flow/position.ts";
import { type MysqlAddress, useServices } from "../services/index.ts";
import { holdsFor } from "../support/index.ts";
import { clientAt, freshDatabase } from "../support/mysql-client.ts";
import { positionsOf, runInput, shortOf } from "../support/mysql-input.ts";

const both = await useServices("mysql", "mariadb");

/** Registers a test for each kind of server. */
function onBoth(name: string, run: (at: MysqlAddress) => Promise<void>): void {
  both.test(`${name} (mysql)`, ({ mysql }) => run(mysql));
  both.test(`${name} (mariadb)`, ({ mariadb }) => run(mariadb));
}

describe("rows", () => {
  onBoth("inserts, updates and deletes arrive live and in order", async (at) => {
    const { client, db } = await freshDatabase(at);
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY, name VARCHAR(20), n BIGINT)`);
    const input = await runInput(at, { databases: [db] });
    await input.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1, 'ä', 9223372036854775807), (2, NULL, -1)`);
    await client.query(`UPDATE ${db}.a SET name = 'x' WHERE id = 2`);
    await client.query(`DELETE FROM ${db}.a WHERE id = 1`);
    const rows = await input.rowsReach(4);
    await input.stop();
    client.close();
    expect(rows.map(shortOf)).toEqual([
      ["I", 1, "ä", 9223372036854775807n],
      ["I", 2, null, -1n],
      ["U", 2, "x", -1n],
      ["D", 1, "ä", 9223372036854775807n],
    ]);
    expect(rows[2]?.before).toEqual([2, null, -1n]);
    expect(rows[0]?.table.columns.map((column) => column.name)).toEqual(["id", "name", "n"]);
    expect(rows[0]?.table.primaryKey).toEqual([0]);
    expect(input.packets[0]?.ident).toBe("shop");
    expect(input.ended).toEqual({ error: undefined });
  });

  for (const gtid of ["auto", "off"]) {
    const by = gtid === "off" ? "by file and offset" : "by GTID";
    onBoth(`a transaction of 50 rows goes on after each of them, ${by} (fault 12)`, async (at) => {
      const { client, db } = await freshDatabase(at);
      await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY)`);
      const config = { databases: [db], gtid };
      const whole = await runInput(at, config);
      await whole.streaming();
      const single = Array.from({ length: 25 }, (_, n) => `(${n})`).join(",");
      await client.query("BEGIN");
      await client.query(`INSERT INTO ${db}.a VALUES ${single}`);
      for (let n = 25; n < 50; n++) await client.query(`INSERT INTO ${db}.a VALUES (${n})`);
      await client.query("COMMIT");
      await client.query(`INSERT INTO ${db}.a VALUES (50)`);
      const all = (await whole.rowsReach(51)).map((row) => row.after?.[0]);
      await whole.stop();
      expect(all).toEqual(Array.from({ length: 51 }, (_, n) => n));
      const resumes = positionsOf(whole);
      const tailAfter = async (n: number) => {
        const again = await runInput(at, config, { resume: resumes[n]! });
        const rows = await again.rowsReach(50 - n);
        await again.stop();
        return [n, rows.map((row) => row.after?.[0]), rows.map((row) => row.ordinal)];
      };
      const tails: unknown[][] = [];
      // Ten at a time: each takes two of the server's connections.
      for (let n = 0; n < 50; n += 10) {
        const lot = Array.from({ length: 10 }, (_, i) => tailAfter(n + i));
        tails.push(...(await Promise.all(lot)));
      }
      client.close();
      for (const [n, ids, ordinals] of tails) {
        const from = Number(n) + 1;
        expect(ids).toEqual(all.slice(from));
        expect(ordinals).toEqual([...all.slice(from, 50), 0]);
      }
    });
  }

  onBoth("a position between transactions gives only what comes after it", async (at) => {
    const { client, db } = await freshDatabase(at);
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY)`);
    const first = await runInput(at, { databases: [db] });
    await first.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1), (2)`);
    await first.rowsReach(2);
    await first.stop();
    const resume = JSON.parse(JSON.stringify(first.idles.at(-1))) as Json;
    await client.query(`INSERT INTO ${db}.a VALUES (3)`);
    await client.query("FLUSH BINARY LOGS");
    await client.query(`INSERT INTO ${db}.a VALUES (4)`);
    const again = await runInput(at, { databases: [db] }, { resume });
    expect((await again.rowsReach(2)).map((row) => row.after?.[0])).toEqual([3, 4]);
    await again.stop();
    client.close();
  });

  onBoth("reading goes on through rotations of the binlog", async (at) => {
    const { client, db } = await freshDatabase(at);
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY)`);
    const input = await runInput(at, { databases: [db] });
    await input.streaming();
    for (let n = 0; n < 5; n++) {
      await client.query(`INSERT INTO ${db}.a VALUES (${n})`);
      await client.query("FLUSH BINARY LOGS");
    }
    const rows = await input.rowsReach(5);
    expect(rows.map((row) => row.after?.[0])).toEqual([0, 1, 2, 3, 4]);
    expect(new Set(rows.map((row) => row.log)).size).toBe(5);
    await input.stop();
    client.close();
  });

  onBoth("patterns include and exclude databases and tables", async (at) => {
    const { client, db } = await freshDatabase(at);
    for (const table of ["orders", "orders_old", "audit"]) {
      await client.query(`CREATE TABLE ${db}.${table} (id INT PRIMARY KEY)`);
    }
    const input = await runInput(at, {
      tables: { include: [`${db}.o*`, `${db}.audit`], exclude: ["*_old"] },
    });
    await input.streaming();
    await client.query(`INSERT INTO ${db}.orders_old VALUES (1)`);
    await client.query(`INSERT INTO ${db}.orders VALUES (2)`);
    await client.query(`INSERT INTO ${db}.audit VALUES (3)`);
    expect((await input.rowsReach(2)).map((row) => row.after?.[0])).toEqual([2, 3]);
    await input.stop();
    client.close();
  });

  onBoth("rows before and after ALTER TABLE have the names of their time", async (at) => {
    const { client, db } = await freshDatabase(at);
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY, x INT, y INT)`);
    const input = await runInput(at, { databases: [db] });
    await input.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1, 10, 100)`);
    await client.query(`ALTER TABLE ${db}.a RENAME COLUMN x TO z, RENAME COLUMN y TO x`);
    await client.query(`INSERT INTO ${db}.a VALUES (2, 20, 200)`);
    await client.query(`ALTER TABLE ${db}.a ADD COLUMN first INT FIRST`);
    await client.query(`INSERT INTO ${db}.a VALUES (0, 3, 30, 300)`);
    const rows = await input.rowsReach(3);
    await input.stop();
    client.close();
    expect(rows.map((row) => row.table.columns.map((column) => column.name))).toEqual([
      ["id", "x", "y"],
      ["id", "z", "x"],
      ["first", "id", "z", "x"],
    ]);
  });

  onBoth("a table that is made, altered and swapped in one go is followed", async (at) => {
    const { client, db } = await freshDatabase(at);
    const input = await runInput(at, { databases: [db] });
    await input.streaming();
    await client.query(`USE ${db}`);
    for (const sql of [
      "CREATE TABLE a (id INT PRIMARY KEY, x VARCHAR(10))",
      "INSERT INTO a VALUES (1, 'one')",
      "ALTER TABLE a ADD COLUMN n INT FIRST, RENAME COLUMN x TO y",
      "INSERT INTO a VALUES (20, 2, 'two')",
      "CREATE TABLE _a_new LIKE a",
      "ALTER TABLE _a_new MODIFY y VARCHAR(30) AFTER n, ADD z ENUM('p','q') NOT NULL",
      "INSERT INTO _a_new SELECT n, y, id, 'q' FROM a",
      "RENAME TABLE a TO _a_old, _a_new TO a",
      "INSERT INTO a VALUES (30, 'three', 3, 'p')",
      "DROP TABLE _a_old",
      "ALTER TABLE a DROP COLUMN y, DROP COLUMN n",
      "INSERT INTO a VALUES (4, 'q')",
      "DROP TABLE a",
    ]) {
      await client.query(sql);
    }
    const rows = await input.rowsReach(6);
    await input.stop();
    client.close();
    const named = rows.map((row) => [
      row.table.name,
      Object.fromEntries(row.table.columns.map(({ name }, n) => [name, row.after?.[n]])),
    ]);
    expect(named).toEqual([
      ["a", { id: 1, x: "one" }],
      ["a", { n: 20, id: 2, y: "two" }],
      ["_a_new", { n: null, y: "one", id: 1, z: "q" }],
      ["_a_new", { n: 20, y: "two", id: 2, z: "q" }],
      ["a", { n: 30, y: "three", id: 3, z: "p" }],
      ["a", { id: 4, z: "q" }],
    ]);
    expect(rows.map((row) => row.table.primaryKey)).toEqual([[0], [1], [2], [2], [2], [0]]);
  });

  onBoth("a table that is altered while we are down has the names of its time", async (at) => {
    const { client, db } = await freshDatabase(at);
    const stateDir = await mkdtemp(join(tmpdir(), "dbus-schema-"));
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY, x INT, y INT)`);
    const before = await runInput(at, { databases: [db] }, { stateDir });
    await before.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1, 10, 100)`);
    await before.rowsReach(1);
    await before.stop();
    const resume = positionsOf(before)[0];
    await client.query(`INSERT INTO ${db}.a VALUES (2, 20, 200)`);
    await client.query("DO SLEEP(1.1)");
    await client.query(`ALTER TABLE ${db}.a RENAME COLUMN x TO y, RENAME COLUMN y TO x`);
    await client.query(`INSERT INTO ${db}.a VALUES (3, 30, 300)`);
    const after = await runInput(at, { databases: [db] }, { stateDir, resume });
    const rows = await after.rowsReach(2);
    await after.stop();
    client.close();
    await rm(stateDir, { recursive: true });
    expect(rows.map((row) => row.table.columns.map(({ name }) => name).join())).toEqual([
      "id,x,y",
      "id,y,x",
    ]);
  });

  onBoth("rows older than ALTER TABLE are never given the names of today", async (at) => {
    const { client, db } = await freshDatabase(at);
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY, x INT, y INT)`);
    const before = await runInput(at, { databases: [db] });
    await before.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1, 10, 100)`);
    await before.rowsReach(1);
    await before.stop();
    const start = JSON.parse(JSON.stringify(before.idles[0])) as Json;
    // CREATE_TIME counts seconds.
    await client.query("DO SLEEP(1.1)");
    await client.query(`ALTER TABLE ${db}.a RENAME COLUMN x TO z, RENAME COLUMN y TO x`);
    const auto = await runInput(at, { databases: [db] }, { resume: start });
    const error = await auto.fails();
    expect(error.code).toBe("SCHEMA_UNKNOWN");
    expect(error.remedy).toContain("SET GLOBAL binlog_row_metadata = FULL");
    expect(auto.packets).toEqual([]);
    const current = await runInput(at, { databases: [db], schema: "current" }, { resume: start });
    const [row] = await current.rowsReach(1);
    expect(row?.table.columns.map((column) => column.name)).toEqual(["id", "z", "x"]);
    await current.stop();
    client.close();
  });

  onBoth("schema: binlog wants FULL metadata, says how, and then asks for no table", async (at) => {
    const { client, db } = await freshDatabase(at);
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY, e ENUM('r','g'))`);
    const without = await runInput(at, { databases: [db], schema: "binlog" });
    expect(await without.fails()).toMatchObject({
      code: "SCHEMA_UNKNOWN",
      remedy: "SET GLOBAL binlog_row_metadata = FULL",
    });
    const old = await client.query("SELECT @@GLOBAL.binlog_row_metadata AS old");
    const session = await clientAt(at);
    await session.query("SET GLOBAL binlog_row_metadata = FULL");
    try {
      const input = await runInput(at, { databases: [db], schema: "binlog" });
      await input.streaming();
      const writer = await clientAt(at);
      await writer.query(`INSERT INTO ${db}.a VALUES (1, 'g')`);
      await writer.query(`DROP TABLE ${db}.a`);
      writer.close();
      const [row] = await input.rowsReach(1);
      expect(row?.table.columns.map((column) => column.name)).toEqual(["id", "e"]);
      expect(row?.after).toEqual([1, "g"]);
      expect(input.warnings).toEqual([]);
      await input.stop();
    } finally {
      await session.query(`SET GLOBAL binlog_row_metadata = ${String(old[0]?.old)}`);
      session.close();
      client.close();
    }
  });

  onBoth("a row of 20 MB arrives whole", async (at) => {
    const { client, db } = await freshDatabase(at);
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY, t LONGTEXT)`);
    const input = await runInput(at, { databases: [db] });
    await input.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1, REPEAT('0123456789abcdef', 1310720))`);
    await client.query(`INSERT INTO ${db}.a VALUES (2, 'small')`);
    const rows = await input.rowsReach(2);
    const text = rows[0]?.after?.[1] as string;
    expect(text.length).toBe(20 * 2 ** 20);
    expect(text === "0123456789abcdef".repeat(1_310_720)).toBe(true);
    expect(rows[1]?.after).toEqual([2, "small"]);
    await input.stop();
    const tooLarge = await runInput(
      at,
      { databases: [db], eventBytesMax: 2 ** 20, onEventTooLarge: "fail" },
      { resume: positionsOf(input)[0] },
    );
    // Its own position says that the large row is settled, but the event must be read to skip it.
    expect((await tooLarge.fails()).code).toBe("MYSQL_EVENT_TOO_LARGE");
    client.close();
  });

  onBoth("a consumer that stands still holds the server back, in bounded memory", async (at) => {
    const { client, db } = await freshDatabase(at);
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY, t LONGTEXT)`);
    const input = await runInput(at, { databases: [db] }, { credit: 10 });
    await input.streaming();
    const before = process.memoryUsage.rss();
    for (let n = 0; n < 60; n++) {
      await client.query(`INSERT INTO ${db}.a VALUES (${n}, REPEAT('x', 2097152))`);
    }
    // 120 MB were written; the rows that wait for credit are the test's own.
    const bounded = () =>
      input.packets.length < 20 && process.memoryUsage.rss() - before < 80 * 2 ** 20;
    await holdsFor(bounded, { ms: 500, what: "a reader that waits, in bounded memory" });
    expect(input.overruns).toBe(0);
    input.grant(1_000);
    expect((await input.rowsReach(60)).map((row) => row.after?.[0])).toEqual(
      Array.from({ length: 60 }, (_, n) => n),
    );
    await input.stop();
    client.close();
  });

  onBoth("a stop while the bus has no room comes to its end", async (at) => {
    const { client, db } = await freshDatabase(at);
    await client.query(`CREATE TABLE ${db}.a (id INT PRIMARY KEY)`);
    const input = await runInput(at, { databases: [db] }, { credit: 1 });
    await input.streaming();
    await client.query(`INSERT INTO ${db}.a VALUES (1), (2)`);
    await input.rowsReach(1);
    await input.stop();
    expect(input.ended).toEqual({ error: undefined });
    client.close();
  });
});
