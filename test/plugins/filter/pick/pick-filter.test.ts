import { describe, expect, test } from "bun:test";
import { pickFilter } from "#plugins/filter/pick/pick-filter.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { changeOf, documentOf, recordOf, tableOf, textOf } from "../../../support/field-packets.ts";
import { runFilter, shown } from "../../../support/run-filter.ts";

const table = tableOf("shop.orders", "a text", "id int!", "b text");
const row = changeOf(table, { before: ["x", 1, "y"], after: ["z", 1, undefined] });
const packets = [row, documentOf('{"b":1.10,"c":{"d":2,"e":3},"z":0}'), recordOf('{"b":1,"z":2}')];

describe("contract", () =>
  filterPluginContract(pickFilter, { config: { fields: ["b"] }, packets }));

test("the fields that are named stay, and the key, in the order of the row", async () => {
  const [[one] = []] = await runFilter(pickFilter, { fields: ["b"] }, [row]);
  if (one === undefined || typeof one === "string") throw new Error("it passes");
  expect(one.payload).toMatchObject({ before: [1, "y"], after: [1, undefined] });
  expect((one.payload as typeof row.payload).table.primaryKey).toEqual([0]);
});

test("of JSON objects fields within fields too, without losing a digit", async () => {
  const became = await runFilter(pickFilter, { fields: ["b", "c.d"] }, packets.slice(1, 2));
  expect(became.map(shown)).toEqual([['{"b":1.10,"c":{"d":2}}']]);
});

test("a field that is not there fails the packet by name, or is done without", async () => {
  const fields = ["b", "nosuch"];
  expect(await runFilter(pickFilter, { fields }, packets)).toEqual([
    "FIELD_MISSING",
    "FIELD_MISSING",
    "FIELD_MISSING",
  ]);
  const became = await runFilter(pickFilter, { fields, onMissing: "pass" }, packets);
  expect(became.map(shown)).toEqual([[{ id: 1, b: undefined }], ['{"b":1.10}'], ['{"b":1}']]);
});

test("what has no fields fails with a code", async () => {
  const odd = [textOf("x"), documentOf("[1]"), recordOf("no json"), documentOf('"text"')];
  const became = await runFilter(pickFilter, { fields: ["b"] }, odd);
  expect(became).toEqual(odd.map(() => "FILTER_FAILED"));
});

test("a tombstone passes: it says that its key is gone", async () => {
  const became = await runFilter(pickFilter, { fields: ["b"] }, [recordOf(null)]);
  expect(became.map(shown)).toEqual([[null]]);
});
