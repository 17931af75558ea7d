import { describe, expect, test } from "bun:test";
import { renameFilter } from "#plugins/filter/rename/rename-filter.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { changeOf, documentOf, tableOf } from "../../../support/field-packets.ts";
import { runFilter, shown } from "../../../support/run-filter.ts";

const table = tableOf("shop.orders", "a text", "id int!", "b text");
const row = changeOf(table, { after: ["z", 1, "y"] });
const document = documentOf('{"a":1,"b":{"c":1,"d":2}}');

describe("contract", () =>
  filterPluginContract(renameFilter, { config: { fields: { a: "x" } }, packets: [row, document] }));

test("fields get their new names and keep their places, the key too", async () => {
  const config = { fields: { id: "key", b: "a", a: "b" } };
  const [rows = []] = await runFilter(renameFilter, config, [row]);
  expect(shown(rows)).toEqual([{ b: "z", key: 1, a: "y" }]);
  const became = await runFilter(renameFilter, { fields: { "b.c": "x", a: "z" } }, [document]);
  expect(became.map(shown)).toEqual([['{"z":1,"b":{"x":1,"d":2}}']]);
});

test("all names change at once, in a document as in a row", async () => {
  const swap = { fields: { a: "b", b: "a" } };
  const became = await runFilter(renameFilter, swap, [documentOf('{"a":1,"b":2}')]);
  expect(became.map(shown)).toEqual([['{"b":1,"a":2}']]);
  const chain = { fields: { a: "b", b: "c", "b.c": "d" }, onMissing: "pass" };
  const documents = ['{"a":1}', '{"a":1,"b":2}', '{"b":{"c":1}}', '{"b.c":1,"b":{"c":2}}'];
  const chained = await runFilter(renameFilter, chain, documents.map(documentOf));
  expect(chained.map(shown)).toEqual([
    ['{"b":1}'],
    ['{"b":1,"c":2}'],
    ['{"c":{"d":1}}'],
    ['{"d":1,"c":{"c":2}}'],
  ]);
});

test("a name that is taken fails the packet instead of hiding a field", async () => {
  expect(await runFilter(renameFilter, { fields: { a: "b" } }, [row, document])).toEqual([
    "FILTER_FAILED",
    "FILTER_FAILED",
  ]);
});

test("a field that is not there fails the packet, or nothing is done", async () => {
  const config = { fields: { nosuch: "x" } };
  expect(await runFilter(renameFilter, config, [row])).toEqual(["FIELD_MISSING"]);
  const became = await runFilter(renameFilter, { ...config, onMissing: "pass" }, [document]);
  expect(became.map(shown)).toEqual([['{"a":1,"b":{"c":1,"d":2}}']]);
});
