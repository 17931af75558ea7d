import { describe, expect, test } from "bun:test";
import { whereFilter } from "#plugins/filter/where/where-filter.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { changeOf, documentOf, tableOf } from "../../../support/field-packets.ts";
import { runFilter, shown } from "../../../support/run-filter.ts";

const table = tableOf("shop.orders", "id int!", "total double");
const rows = [1, 2, 3].map((id) => changeOf(table, { after: [id, id * 10] }));

describe("contract", () =>
  filterPluginContract(whereFilter, { config: { when: "row.total > 15.0" }, packets: rows }));

test("what the expression is true for goes on, the rest is dropped", async () => {
  const became = await runFilter(whereFilter, { when: "row.total > 15.0" }, rows);
  expect(became.map(shown)).toEqual([[], [{ id: 2, total: 20 }], [{ id: 3, total: 30 }]]);
});

test("the rest may go another way", async () => {
  const config = { when: "row.id == 2", otherwise: "others" };
  const became = await runFilter(whereFilter, config, rows);
  const idents = became.map((all) => (typeof all === "string" ? all : all.map((p) => p.ident)));
  expect(idents).toEqual([["others"], ["own"], ["others"]]);
});

test("rows for which it fails are told by code, and the others pass", async () => {
  const nulls = [changeOf(table, { after: [4, null] }), ...rows, documentOf("[1]")];
  const became = await runFilter(whereFilter, { when: "row.total > 15.0" }, nulls);
  expect(became.map((one) => (typeof one === "string" ? one : one.length))).toEqual([
    "EXPRESSION_FAILED",
    0,
    1,
    1,
    "EXPRESSION_FAILED",
  ]);
});

test("an expression that is none, or gives no truth, is refused with the config", () => {
  const said = (when: string) => whereFilter.configSchema.safeParse({ when }).error?.message;
  expect(said("row.total >")).toContain("not an expression");
  expect(said("1 + 1")).toContain("it gives int, and bool is wanted");
  expect(said("nosuch == 1")).toContain("Unknown variable: nosuch");
});
