import { describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TableMap } from "#src/clients/mysql/binlog/table-map.ts";
import type { MysqlConnection, MysqlRow } from "#src/clients/mysql/connection.ts";
import { createSchemaCache } from "#src/clients/mysql/schema.ts";
import { openSchemaHistory, type SchemaHistory } from "#src/clients/mysql/schema-history.ts";
import { toDbusError } from "#src/errors.ts";

type Now = { columns: string[]; created: number | null };

/** A server with one table `shop.orders`, described as `now` says. */
function serverOf(now: Now | undefined) {
  const state = { now, asked: 0 };
  const answer = (sql: string): MysqlRow[] => {
    state.asked++;
    const table = state.now;
    if (!table) return [];
    if (sql.includes("information_schema.TABLES") && sql.includes("BASE TABLE")) {
      return [{ db: "shop", tbl: "orders", created: table.created, collation: "utf8mb4_bin" }];
    }
    if (sql.includes("AS now")) return [{ now: 10 }];
    if (sql.includes("information_schema.TABLES"))
      return [{ db: "shop", tbl: "orders", created: table.created }];
    if (sql.includes("STATISTICS"))
      return [{ db: "shop", tbl: "orders", name: table.columns[0] ?? "" }];
    return table.columns.map((name) => ({
      ...{ db: "shop", tbl: "orders", name, type: "int", charset: null, nullable: "NO" },
    }));
  };
  const connection: MysqlConnection = {
    where: "h:1",
    open: true,
    query: async (sql) => answer(sql),
    takeSocket: () => {
      throw new Error("not in this test");
    },
    close() {},
  };
  return { state, connection };
}

const map = {} as TableMap;
const place = { lineage: "u1", file: "b.000001", pos: 4 };
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "loaded",
    (error) => toDbusError(error).code,
  );

async function cacheOn(now: Now | undefined, trustCurrent = false, kept?: SchemaHistory) {
  const { state, connection } = serverOf(now);
  const history = kept ?? (await openSchemaHistory(undefined));
  const cache = createSchemaCache({ trustCurrent, history });
  cache.begin(place, "mysql", false);
  return {
    state,
    cache,
    prefetch: () => cache.prefetch(connection, () => true),
    load: (timestamp: number) =>
      codeOf(cache.load(connection, { db: "shop", table: "orders", timestamp, place })),
    statement: (sql: string, timestamp: number, db = "shop") =>
      cache.statement({ db, sql, timestamp, place }),
    names: () => cache.lookup("shop", "orders", 1, map)?.columns.map((column) => column.name),
  };
}

describe("schema cache", () => {
  test("takes a table that was altered before its rows", async () => {
    const { load, names, cache } = await cacheOn({ columns: ["id", "x"], created: 100 });
    expect(await load(101)).toBe("loaded");
    expect(names()).toEqual(["id", "x"]);
    expect(cache.lookup("shop", "orders", 1, map)?.primaryKey).toEqual([0]);
  });

  test("refuses one that was altered since, unless it is told to trust it", async () => {
    const now = { columns: ["id", "x"], created: 102 };
    expect(await (await cacheOn(now)).load(101)).toBe("SCHEMA_UNKNOWN");
    const trusting = await cacheOn(now, true);
    expect(await trusting.load(101)).toBe("loaded");
    expect(trusting.names()).toEqual(["id", "x"]);
  });

  test("refuses one that is gone, or cannot be seen", async () => {
    const { load, names } = await cacheOn(undefined);
    expect(await load(101)).toBe("SCHEMA_UNKNOWN");
    expect(names()).toBeUndefined();
  });

  test("follows statements, though the table is further than they are", async () => {
    const { state, prefetch, statement, load, names } = await cacheOn({
      columns: ["id", "x"],
      created: 50,
    });
    await prefetch();
    state.now = { columns: ["id", "z"], created: 100 };
    expect(await load(100)).toBe("loaded");
    expect(names()).toEqual(["id", "x"]);
    await statement("ALTER TABLE orders RENAME COLUMN x TO y", 100);
    expect(await load(100)).toBe("loaded");
    expect(names()).toEqual(["id", "y"]);
    await statement("ALTER TABLE shop.orders RENAME COLUMN y TO z", 100, "other");
    expect(await load(100)).toBe("loaded");
    expect(names()).toEqual(["id", "z"]);
  });

  test("learns a table from its CREATE, when it surely was not there before", async () => {
    const { state, prefetch, statement, load, names } = await cacheOn({
      columns: ["id"],
      created: 50,
    });
    await prefetch();
    state.now = { columns: ["id", "late"], created: 100 };
    await statement("DROP TABLE orders", 100);
    await statement("CREATE TABLE IF NOT EXISTS orders (id INT, early INT)", 100);
    expect(await load(100)).toBe("loaded");
    expect(names()).toEqual(["id", "early"]);
    const unsure = await cacheOn({ columns: ["id", "late"], created: 101 });
    await unsure.statement("CREATE TABLE IF NOT EXISTS orders (id INT, early INT)", 100);
    expect(await unsure.load(100)).toBe("SCHEMA_UNKNOWN");
  });

  test("learns it too when the whole database was seen to be made", async () => {
    const create = "CREATE TABLE IF NOT EXISTS shop.orders (id INT, early INT)";
    const after = async (...statements: string[]) => {
      const { statement, load, names } = await cacheOn({ columns: ["id", "late"], created: 200 });
      for (const sql of [...statements, create]) await statement(sql, 100, "");
      return (await load(100)) === "loaded" ? names() : "unknown";
    };
    expect(await after("CREATE DATABASE shop")).toEqual(["id", "early"]);
    expect(await after("DROP SCHEMA IF EXISTS `shop`")).toEqual(["id", "early"]);
    expect(await after("CREATE DATABASE IF NOT EXISTS shop")).toBe("unknown");
    expect(await after("CREATE DATABASE crm")).toBe("unknown");
    const unclear = "CREATE TABLE shop.orders AS SELECT 1 AS one";
    expect(await after("CREATE DATABASE shop", unclear)).toBe("unknown");
  });

  test("keeps it also when the table has been dropped meanwhile", async () => {
    const { state, prefetch, load, names } = await cacheOn({ columns: ["id"], created: 50 });
    await prefetch();
    state.now = undefined;
    expect(await load(100)).toBe("loaded");
    expect(names()).toEqual(["id"]);
  });

  test("does not believe what was learnt beforehand for rows older than it", async () => {
    const { prefetch, load } = await cacheOn({ columns: ["id"], created: 200 });
    await prefetch();
    expect(await load(100)).toBe("SCHEMA_UNKNOWN");
  });

  test("within the second of an ALTER believes only one that went by", async () => {
    const ahead = await cacheOn({ columns: ["id", "y"], created: 100 });
    await ahead.statement("BEGIN", 90);
    expect(await ahead.load(100)).toBe("SCHEMA_UNKNOWN");
    const behind = await cacheOn({ columns: ["id", "y"], created: 100 });
    await behind.statement("BEGIN", 90);
    await behind.statement("ALTER TABLE `orders` ADD y INT", 100);
    expect(await behind.load(100)).toBe("loaded");
  });

  test("within the second of its own change a table may hold the statement already", async () => {
    const after = async (sql: string) => {
      const { prefetch, statement, names } = await cacheOn({ columns: ["id", "x"], created: 100 });
      await prefetch();
      await statement(sql, 100);
      return names();
    };
    expect(await after("ALTER TABLE orders ADD y INT")).toEqual(["id", "x", "y"]);
    expect(await after("ALTER TABLE orders ADD x INT")).toBeUndefined();
    const swap = "ALTER TABLE orders RENAME COLUMN id TO x, RENAME COLUMN x TO id";
    expect(await after(swap)).toBeUndefined();
    const late = await cacheOn({ columns: ["id", "x"], created: 101 });
    await late.prefetch();
    await late.statement("ALTER TABLE orders ADD y INT", 100);
    expect(late.names()).toBeUndefined();
  });

  test("forgets what a statement may have changed, and nothing else", async () => {
    const forgets = async (db: string, sql: string) => {
      const { cache, load, statement } = await cacheOn({ columns: ["id"], created: 50 });
      await load(100);
      await statement(sql, 100, db);
      return cache.size === 0;
    };
    expect(await forgets("shop", "ALTER TABLE orders CONVERT TO CHARACTER SET latin1")).toBe(true);
    expect(await forgets("shop", "ALTER TABLE Orders ADD x INT")).toBe(true);
    expect(await forgets("shop", "DROP TABLE a, orders")).toBe(true);
    expect(await forgets("shop", "ALTER TABLE orders ADD x INT")).toBe(false);
    expect(await forgets("other", "/* c */ rename table b to Shop.`Orders`")).toBe(true);
    expect(await forgets("shop", "DROP DATABASE shop")).toBe(true);
    expect(await forgets("", "DROP SCHEMA IF EXISTS `shop`")).toBe(true);
    expect(await forgets("shop", "CREATE TABLE t\ufffdst (i INT)")).toBe(true);
    expect(await forgets("shop", "BEGIN")).toBe(false);
    expect(await forgets("shop", "CREATE INDEX i ON payments (order_id)")).toBe(false);
  });

  test("keeps a table through what only has its name within other words, or makes users", async () => {
    const { load, names, statement } = await cacheOn({ columns: ["id"], created: 1 });
    await load(2);
    for (const sql of [
      "CREATE TABLE shop.orders_old (id INT NOT UNDERSTOOD)",
      "ALTER TABLE shop.reorders WHATEVER THIS IS",
      "CREATE USER 'orders'@'%' IDENTIFIED BY 'x'",
      "DROP ROLE orders",
    ]) {
      await statement(sql, 3);
      expect(names()).toEqual(["id"]);
    }
    await statement("/*!50003orders*/ WHATEVER THIS IS", 3);
    expect(names()).toBeUndefined();
  });

  test("holds so many tables and no more", async () => {
    const { connection } = serverOf({ columns: ["id"], created: 1 });
    const history = await openSchemaHistory(undefined);
    const cache = createSchemaCache({ trustCurrent: false, tablesMax: 3, history });
    for (let n = 0; n < 10; n++) {
      await cache.load(connection, { db: "shop", table: `t${n}`, timestamp: 100, place });
    }
    expect(cache.size).toBe(3);
  });
});

describe("schema history", () => {
  const at = (pos: number, file = "b.000001") => ({ lineage: "u1", file, pos });
  const model = (...names: string[]) => ({
    columns: names.map((name) => ({ name, type: "int", charset: null, nullable: true })),
    primaryKey: [],
    charset: undefined,
  });
  const version = (of: ReturnType<typeof model> | null) => ({
    ...{ db: "shop", table: "orders", model: of, created: null },
  });
  const namesAt = (history: SchemaHistory, place: ReturnType<typeof at>) =>
    history.at(place).map((known) => known.model.columns.map((column) => column.name));

  test("tells what a table was like at a place that it reached", async () => {
    const history = await openSchemaHistory(undefined);
    history.restart("u1");
    history.note(at(100), version(model("a")));
    history.note(at(200), version(model("a", "b")));
    history.note(at(50, "b.1000000"), version(null));
    history.reached(at(60, "b.1000000"));
    expect(namesAt(history, at(99))).toEqual([]);
    expect(namesAt(history, at(100))).toEqual([["a"]]);
    expect(namesAt(history, at(199))).toEqual([["a"]]);
    expect(namesAt(history, at(4, "b.000002"))).toEqual([["a", "b"]]);
    expect(namesAt(history, at(4, "b.1000000"))).toEqual([["a", "b"]]);
    expect(namesAt(history, at(55, "b.1000000"))).toEqual([]);
    expect(namesAt(history, at(61, "b.1000000"))).toEqual([]);
    expect(namesAt(history, { ...at(150), lineage: "u2" })).toEqual([]);
    expect(namesAt(history, at(150, "other.000001"))).toEqual([]);
  });

  test("lasts over processes, and a broken file is as good as none", async () => {
    const dir = await mkdtemp(join(tmpdir(), "dbus-history-"));
    const first = await openSchemaHistory(join(dir, "in"));
    first.restart("u1");
    first.note(at(100), version(model("a")));
    first.reached(at(500));
    await first.save();
    expect(namesAt(await openSchemaHistory(join(dir, "in")), at(300))).toEqual([["a"]]);
    await writeFile(join(dir, "in", "schema-history.json"), '{"lineage":"u1","tab');
    expect(namesAt(await openSchemaHistory(join(dir, "in")), at(300))).toEqual([]);
    await rm(dir, { recursive: true });
  });

  test("read again from an earlier place it reaches only as far as it was read again", async () => {
    const history = await openSchemaHistory(undefined);
    history.restart("u1");
    history.note(at(100), version(model("a")));
    history.note(at(200), version(model("b")));
    history.reached(at(500));
    history.note(at(150), version(model("c")));
    expect(namesAt(history, at(300))).toEqual([]);
    expect(namesAt(history, at(150))).toEqual([["c"]]);
  });

  test("a table known from before a restart is followed through its changes", async () => {
    const history = await openSchemaHistory(undefined);
    history.restart("u1");
    history.note(place, version(model("id", "x")));
    history.reached(at(500));
    const now = { columns: ["id", "y"], created: 200 };
    const { load, names, statement } = await cacheOn(now, false, history);
    expect(await load(100)).toBe("loaded");
    expect(names()).toEqual(["id", "x"]);
    await statement("ALTER TABLE orders RENAME COLUMN x TO y", 200);
    expect(await load(201)).toBe("loaded");
    expect(names()).toEqual(["id", "y"]);
  });
});
