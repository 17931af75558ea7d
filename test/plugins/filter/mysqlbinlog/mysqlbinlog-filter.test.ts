import { describe, expect, test } from "bun:test";
import type { Packet, Table } from "#plugin";
import { mysqlbinlogFilter } from "#plugins/filter/mysqlbinlog/mysqlbinlog-filter.ts";
import { fakeFilterContext } from "../../../support/fake-context.ts";

function row(db: string, name: string): Packet {
  const table: Table = { db, name, columns: [], primaryKey: [] };
  const txn = { gtid: undefined, serverId: 1 };
  const change = { kind: "row", op: "I", table, before: undefined, after: [], txn } as const;
  const payload = { ...change, ordinal: 0, log: "binlog.000001", pos: 4, ts: 0 };
  return { ident: "in", payload, position: 7, bytes: 100 };
}

async function identsOf(config: object, packets: readonly Packet[]): Promise<(string | null)[]> {
  const parsed = mysqlbinlogFilter.configSchema.parse(config);
  const { context } = fakeFilterContext({ ident: "own" });
  const state = await mysqlbinlogFilter.open(context, parsed);
  return packets.map((packet) => {
    const to = mysqlbinlogFilter.apply(state, packet, context);
    return to === null ? null : (to as Packet).ident;
  });
}

describe("MysqlbinlogFilter", () => {
  test("the first rule that fits wins, and what none fits is dropped", async () => {
    const rules = [
      { database: "shop", table: "orders", ident: "orders" },
      { database: "shop", ident: "rest" },
      { database: "crm_*", table: "*log*", ident: "logs" },
    ];
    const rows = [row("shop", "orders"), row("shop", "customers"), row("crm_1", "a_log_2")];
    expect(await identsOf({ rules }, [...rows, row("crm_1", "x"), row("shop2", "orders")])).toEqual(
      ["orders", "rest", "logs", null, null],
    );
  });

  test("otherwise takes what no rule fits", async () => {
    const config = { rules: [{ database: "shop", ident: "a" }], otherwise: "b" };
    expect(await identsOf(config, [row("x", "y"), row("shop", "t")])).toEqual(["b", "a"]);
  });

  test("names stand in idents as they are, variables and wildcards among them", async () => {
    const config = { rules: [{ ident: "cdc.${db}.${tbl}" }] };
    const odd = [row("${tbl}", "a.*b"), row("$&", "日本"), row("__proto__", "x\ny")];
    expect(await identsOf(config, odd)).toEqual([
      "cdc.${tbl}.a.*b",
      "cdc.$&.日本",
      "cdc.__proto__.x\ny",
    ]);
  });

  test("the idents that it may emit are the rules' own, with patterns for names", () => {
    const rules = [
      { database: "shop", ident: "cdc.${db}.${tbl}" },
      { database: "crm_*", table: "log", ident: "${db}/${tbl}" },
    ];
    const parsed = mysqlbinlogFilter.configSchema.parse({ rules, otherwise: "rest" });
    const idents = mysqlbinlogFilter.idents?.(parsed, "own");
    expect(idents).toEqual(["cdc.shop.*", "crm_*/log", "rest"]);
  });

  test("position and size of a packet stay, since they are what is settled", async () => {
    const parsed = mysqlbinlogFilter.configSchema.parse({ rules: [{ ident: "x" }] });
    const { context } = fakeFilterContext({ ident: "own" });
    const state = await mysqlbinlogFilter.open(context, parsed);
    const packet = row("a", "b");
    expect(mysqlbinlogFilter.apply(state, packet, context)).toEqual({ ...packet, ident: "x" });
  });

  test("a packet that is no row fails with a code instead of passing", async () => {
    const packet: Packet = { ...row("a", "b"), payload: { kind: "text", text: "x" } };
    expect(identsOf({ rules: [{ ident: "x" }] }, [packet])).rejects.toMatchObject({
      code: "FILTER_FAILED",
    });
  });
});
