import { describe, expect, test } from "bun:test";
import { routeFilter } from "#plugins/filter/route/route-filter.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import {
  changeOf,
  documentOf,
  readRecordOf,
  recordOf,
  tableOf,
  textOf,
} from "../../../support/field-packets.ts";
import { runFilter } from "../../../support/run-filter.ts";

const table = tableOf("shop.orders", "id int!", "country text");
const row = (country: string | null) => changeOf(table, { after: [1, country] });
const rules = [
  { when: "row.country == 'de'", ident: "near" },
  { when: "has(row.country)", ident: "far.${row.country}" },
];

describe("contract", () =>
  filterPluginContract(routeFilter, { config: { rules }, packets: [row("de"), row("fr")] }));

const idents = async (config: object, packets: Parameters<typeof runFilter>[2]) =>
  (await runFilter(routeFilter, config, packets)).map((one) =>
    typeof one === "string" ? one : one.map(({ ident }) => ident),
  );

test("the first rule that is true gives the ident, filled from the packet", async () => {
  expect(await idents({ rules }, [row("de"), row("fr")])).toEqual([["near"], ["far.fr"]]);
});

test("or each of them, as copies", async () => {
  expect(await idents({ rules, mode: "all" }, [row("de")])).toEqual([["near", "far.de"]]);
});

test("what no rule is true for is dropped, or goes to otherwise", async () => {
  const none = [{ when: "op == 'D'", ident: "gone" }];
  expect(await idents({ rules: none }, [row("de")])).toEqual([[]]);
  const config = { rules: none, otherwise: "${db}/${tbl}/${op}/${ident}" };
  expect(await idents(config, [row("de")])).toEqual([["shop/orders/I/shop"]]);
});

test("a template that names what is not there fails the packet by name", async () => {
  const to = (ident: string) => ({ rules: [{ ident }] });
  expect(await idents(to("x.${row.nosuch}"), [row("de"), documentOf("{}"), textOf("x")])).toEqual([
    "FIELD_MISSING",
    "FIELD_MISSING",
    "FIELD_MISSING",
  ]);
  expect(await idents(to("x.${row.country}"), [row(null)])).toEqual(["FIELD_MISSING"]);
  expect(await idents(to("x.${db}"), [documentOf("{}")])).toEqual(["FIELD_MISSING"]);
  expect(await idents(to("${key}.${row.a.b}"), [recordOf('{"a":{"b":1.50}}')])).toEqual([
    ["k.1.50"],
  ]);
  expect(await idents(to("${key}"), [readRecordOf("{}")])).toEqual([["k"]]);
});

test("a template with a name that stands for nothing is refused with the config", () => {
  const parsed = routeFilter.configSchema.safeParse({ rules: [{ ident: "${nosuch}" }] });
  expect(parsed.error?.message).toContain("nothing stands for ${nosuch}");
});

test("the idents that it may emit have a star for what is filled in", () => {
  const config = routeFilter.configSchema.parse({ rules, otherwise: "rest.${db}" });
  expect(routeFilter.idents?.(config, "own")).toEqual(["near", "far.*", "rest.*"]);
});
