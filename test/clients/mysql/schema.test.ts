import { describe, expect, test } from "bun:test";
import type { TableMap } from "#src/clients/mysql/binlog/table-map.ts";
import type { MysqlConnection, MysqlRow } from "#src/clients/mysql/connection.ts";
import { createSchemaCache } from "#src/clients/mysql/schema.ts";
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
      return [{ db: "shop", tbl: "orders" }];
    }
    if (sql.includes("information_schema.TABLES"))
      return [{ tbl: "orders", created: table.created }];
    if (sql.includes("STATISTICS")) return [{ tbl: "orders", name: table.columns[0] ?? "" }];
    return table.columns.map((name) => ({
      ...{ tbl: "orders", name, type: "int", charset: null, nullable: "NO" },
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
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "loaded",
    (error) => toDbusError(error).code,
  );

function cacheOn(now: Now | undefined, trustCurrent = false) {
  const { state, connection } = serverOf(now);
  const cache = createSchemaCache({ trustCurrent });
  return {
    state,
    cache,
    prefetch: () => cache.prefetch(connection, () => true),
    load: (timestamp: number) => codeOf(cache.load(connection, "shop", "orders", timestamp)),
    names: () => cache.lookup("shop", "orders", 1, map)?.columns.map((column) => column.name),
  };
}

describe("schema cache", () => {
  test("takes a table that was altered before its rows", async () => {
    const { load, names, cache } = cacheOn({ columns: ["id", "x"], created: 100 });
    expect(await load(101)).toBe("loaded");
    expect(names()).toEqual(["id", "x"]);
    expect(cache.lookup("shop", "orders", 1, map)?.primaryKey).toEqual([0]);
  });

  test("refuses one that was altered since, unless it is told to trust it", async () => {
    const now = { columns: ["id", "x"], created: 102 };
    expect(await cacheOn(now).load(101)).toBe("SCHEMA_UNKNOWN");
    const trusting = cacheOn(now, true);
    expect(await trusting.load(101)).toBe("loaded");
    expect(trusting.names()).toEqual(["id", "x"]);
  });

  test("refuses one that is gone, or cannot be seen", async () => {
    const { load, names } = cacheOn(undefined);
    expect(await load(101)).toBe("SCHEMA_UNKNOWN");
    expect(names()).toBeUndefined();
  });

  test("keeps what it knew for rows before an ALTER that is still ahead in the stream", async () => {
    const { state, cache, prefetch, load, names } = cacheOn({ columns: ["id", "x"], created: 50 });
    await prefetch();
    state.now = { columns: ["id", "y"], created: 100 };
    expect(await load(100)).toBe("loaded");
    expect(names()).toEqual(["id", "x"]);
    cache.statement("shop", "ALTER TABLE orders RENAME COLUMN x TO y", 100);
    expect(names()).toBeUndefined();
    expect(await load(100)).toBe("loaded");
    expect(names()).toEqual(["id", "y"]);
  });

  test("keeps it also when the table has been dropped meanwhile", async () => {
    const { state, prefetch, load, names } = cacheOn({ columns: ["id"], created: 50 });
    await prefetch();
    state.now = undefined;
    expect(await load(100)).toBe("loaded");
    expect(names()).toEqual(["id"]);
  });

  test("does not believe what was learnt beforehand for rows older than it", async () => {
    const { prefetch, load } = cacheOn({ columns: ["id"], created: 200 });
    await prefetch();
    expect(await load(100)).toBe("SCHEMA_UNKNOWN");
  });

  test("within the second of an ALTER believes only one that went by", async () => {
    const ahead = cacheOn({ columns: ["id", "y"], created: 100 });
    ahead.cache.statement("shop", "BEGIN", 90);
    expect(await ahead.load(100)).toBe("SCHEMA_UNKNOWN");
    const behind = cacheOn({ columns: ["id", "y"], created: 100 });
    behind.cache.statement("shop", "BEGIN", 90);
    behind.cache.statement("shop", "ALTER TABLE `orders` ADD y INT", 100);
    expect(await behind.load(100)).toBe("loaded");
  });

  test("forgets what a statement may have changed, and nothing else", async () => {
    const forgets = async (db: string, sql: string) => {
      const { cache, load } = cacheOn({ columns: ["id"], created: 50 });
      await load(100);
      cache.statement(db, sql, 100);
      return cache.size === 0;
    };
    expect(await forgets("shop", "ALTER TABLE orders ADD x INT")).toBe(true);
    expect(await forgets("other", "/* c */ rename table b to Shop.`Orders`")).toBe(true);
    expect(await forgets("shop", "DROP DATABASE shop")).toBe(true);
    expect(await forgets("", "DROP SCHEMA IF EXISTS `shop`")).toBe(true);
    expect(await forgets("shop", "CREATE TABLE t\ufffdst (i INT)")).toBe(true);
    expect(await forgets("shop", "BEGIN")).toBe(false);
    expect(await forgets("shop", "CREATE INDEX i ON payments (order_id)")).toBe(false);
  });

  test("holds so many tables and no more", async () => {
    const { connection } = serverOf({ columns: ["id"], created: 1 });
    const cache = createSchemaCache({ trustCurrent: false, tablesMax: 3 });
    for (let n = 0; n < 10; n++) await cache.load(connection, "shop", `t${n}`, 100);
    expect(cache.size).toBe(3);
  });
});
