import { describe, expect, test } from "bun:test";
import { dropFilter } from "#plugins/filter/drop/drop-filter.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { changeOf, documentOf, tableOf } from "../../../support/field-packets.ts";
import { runFilter, shown } from "../../../support/run-filter.ts";

const table = tableOf("shop.orders", "a text", "id int!", "b text");
const row = changeOf(table, { after: ["z", 1, "y"] });
const document = documentOf('{"a":12345678901234567890,"b":{"c":1,"d":2}}');

describe("contract", () =>
  filterPluginContract(dropFilter, { config: { fields: ["b"] }, packets: [row, document] }));

test("the fields that are named are gone, the key's place is kept", async () => {
  const [rows = []] = await runFilter(dropFilter, { fields: ["a"] }, [row]);
  expect(shown(rows)).toEqual([{ id: 1, b: "y" }]);
  if (typeof rows !== "string")
    expect(rows[0]?.payload).toMatchObject({ table: { primaryKey: [0] } });
  const became = await runFilter(dropFilter, { fields: ["b.c"] }, [document]);
  expect(became.map(shown)).toEqual([['{"a":12345678901234567890,"b":{"d":2}}']]);
});

test("a column of the key is not dropped, since order hangs on it", async () => {
  expect(await runFilter(dropFilter, { fields: ["id"] }, [row, row])).toEqual([
    "FILTER_FAILED",
    "FILTER_FAILED",
  ]);
});

test("a field that is not there fails the packet, or nothing is done", async () => {
  const config = { fields: ["nosuch"] };
  expect(await runFilter(dropFilter, config, [row, document])).toEqual([
    "FIELD_MISSING",
    "FIELD_MISSING",
  ]);
  const became = await runFilter(dropFilter, { ...config, onMissing: "pass" }, [document]);
  expect(became.map(shown)).toEqual([['{"a":12345678901234567890,"b":{"c":1,"d":2}}']]);
});
