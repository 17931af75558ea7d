import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { maskFilter } from "#plugins/filter/mask/mask-filter.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { changeOf, documentOf, tableOf } from "../../../support/field-packets.ts";
import { runFilter, shown } from "../../../support/run-filter.ts";

const table = tableOf("crm.people", "id int!", "card bigint", "mail text");
const row = changeOf(table, {
  before: [1, 4111111111111111n, null],
  after: [1, null, "z@example"],
});
const document = documentOf('{"card":4111111111111111,"mail":null,"a":{"b":[1]}}');

describe("contract", () =>
  filterPluginContract(maskFilter, { config: { fields: ["card"] }, packets: [row, document] }));

test("values are hidden in both images, NULL stays NULL, and the column is text", async () => {
  const [[one] = []] = await runFilter(maskFilter, { fields: ["card", "mail"] }, [row]);
  expect(one).toMatchObject({ payload: { before: [1, "***", null], after: [1, null, "***"] } });
  const columns = (one as typeof row).payload.table.columns.map(({ kind }) => kind);
  expect(columns).toEqual(["int", "text", "text"]);
});

test("the last characters may stay, never more than half", async () => {
  const config = { fields: ["card", "a.b"], keepLast: 4 };
  const became = await runFilter(maskFilter, config, [document]);
  expect(became.map(shown)).toEqual([['{"card":"************1111","mail":null,"a":{"b":"**]"}}']]);
});

test("whatever is masked, at least half of its characters are stars", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.integer({ min: 1, max: 64 }), async (text, keepLast) => {
      const packet = documentOf(JSON.stringify({ text }));
      const [[one] = []] = await runFilter(maskFilter, { fields: ["text"], keepLast }, [packet]);
      const masked = [...JSON.parse(shown([one] as never) as never as string).text];
      expect(masked.length).toBe([...text].length);
      const stars = masked.slice(0, Math.ceil(masked.length / 2));
      expect(stars.every((character) => character === "*")).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test("NULL may stand in its place", async () => {
  const became = await runFilter(maskFilter, { fields: ["card"], with: null }, [document]);
  expect(became.map(shown)).toEqual([['{"card":null,"mail":null,"a":{"b":[1]}}']]);
});

test("the key cannot be masked, and what is not there fails", async () => {
  expect(await runFilter(maskFilter, { fields: ["id"] }, [row])).toEqual(["FILTER_FAILED"]);
  expect(await runFilter(maskFilter, { fields: ["x"] }, [row, document])).toEqual([
    "FIELD_MISSING",
    "FIELD_MISSING",
  ]);
});
