import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { countFilter } from "#plugins/filter/count/count-filter.ts";
import { dedupeFilter } from "#plugins/filter/dedupe/dedupe-filter.ts";
import { dropFilter } from "#plugins/filter/drop/drop-filter.ts";
import { hashFilter } from "#plugins/filter/hash/hash-filter.ts";
import { maskFilter } from "#plugins/filter/mask/mask-filter.ts";
import { pickFilter } from "#plugins/filter/pick/pick-filter.ts";
import { regexFilter } from "#plugins/filter/regex/regex-filter.ts";
import { renameFilter } from "#plugins/filter/rename/rename-filter.ts";
import { routeFilter } from "#plugins/filter/route/route-filter.ts";
import { sampleFilter } from "#plugins/filter/sample/sample-filter.ts";
import { splitFilter } from "#plugins/filter/split/split-filter.ts";
import { whereFilter } from "#plugins/filter/where/where-filter.ts";
import { decodePacket, encodePacket } from "#src/deadletter/packet-codec.ts";
import { errorTable } from "#src/errors.ts";
import type { Packet, RowChange } from "#src/flow/packet.ts";
import { createFormat } from "#src/format/format.ts";
import { deepFreeze } from "../../contract/filter-plugin.ts";
import { anyPacket, fieldNames } from "../../support/any-packets.ts";
import { runFilter } from "../../support/run-filter.ts";

const field = fc.constantFrom(...fieldNames);
const named = fc.uniqueArray(field, { minLength: 1, maxLength: 3 });
const onMissing = fc.constantFrom("fail", "pass");
const by = fc.constantFrom(
  "row",
  "row.id",
  "op + string(row.id)",
  "row.a",
  "kind",
  "[row, before, after]",
);

const operators = [
  ["drop", dropFilter, fc.record({ fields: named, onMissing })],
  ["pick", pickFilter, fc.record({ fields: named, onMissing })],
  ["mask", maskFilter, fc.record({ fields: named, onMissing })],
  ["hash", hashFilter, fc.record({ fields: named, onMissing, key: fc.constant("k".repeat(16)) })],
  [
    "rename",
    renameFilter,
    fc.record({ fields: fc.tuple(field, field).map(([from, to]) => namesOf(from, to)), onMissing }),
  ],
  ["where", whereFilter, fc.record({ when: by.map((of) => `${of} == ${of}`) })],
  [
    "route",
    routeFilter,
    fc.record({ rules: field.map((name) => [{ ident: `x.\${row.${name}}` }]) }),
  ],
  ["sample", sampleFilter, fc.record({ rate: fc.constantFrom(0, 0.5, 1) })],
  ["dedupe", dedupeFilter, fc.record({ by })],
  ["count", countFilter, fc.record({ by: by.map((of) => ({ k: of })) })],
  ["split", splitFilter, fc.record({ field, whole: fc.boolean() })],
  [
    "regex",
    regexFilter,
    fc.record({ pattern: fc.constant("(?P<x>.)"), field, onNoMatch: fc.constant("pass") }),
  ],
] as const;

const namesOf = (from: string, to: string) => Object.fromEntries([[from, to]]);

/** What holds of a packet that any operator has made of another. */
function checkMade(made: Packet, from: Packet): void {
  expect(made.position).toBe(from.position);
  expect(Number.isSafeInteger(made.bytes) && made.bytes >= 1).toBe(true);
  expect(encodePacket(decodePacket(encodePacket(made)))).toBe(encodePacket(made));
  const { payload } = made;
  if (payload.kind === "document") JSON.parse(payload.json);
  if (payload.kind !== "row" || from.payload.kind !== "row") return;
  checkRow(payload, from.payload);
  JSON.parse(String(createFormat("row").value(made)));
}

function checkRow(made: RowChange, from: RowChange): void {
  const { table, op, ordinal, txn } = made;
  expect([op, ordinal, txn]).toEqual([from.op, from.ordinal, from.txn]);
  const columns = table.columns.map(({ name }) => name);
  expect(new Set(columns).size).toBe(columns.length);
  expect(table.primaryKey.length).toBe(from.table.primaryKey.length);
  for (const side of ["before", "after"] as const) {
    expect(made[side]?.length).toBe(from[side] && columns.length);
    for (const [i, column] of table.columns.entries()) {
      const at = from.table.columns.indexOf(column);
      // A column that is the same as before has the very same value.
      if (at >= 0) expect(Object.is(made[side]?.[i], from[side]?.[at])).toBe(true);
    }
  }
}

describe("whatever comes, it goes on whole and in its place, or fails with a code", () => {
  for (const [name, plugin, configs] of operators) {
    test(name, async () => {
      await fc.assert(
        fc.asyncProperty(
          configs as fc.Arbitrary<object>,
          fc.array(anyPacket, { minLength: 1, maxLength: 4 }),
          async (config, all) => {
            fc.pre(plugin.configSchema.safeParse(config).success);
            const before = all.map(encodePacket);
            const became = await runFilter(plugin, config, all.map(deepFreeze));
            expect(all.map(encodePacket)).toEqual(before);
            expect(became.length).toBe(all.length);
            for (const [i, one] of became.entries()) {
              if (typeof one === "string") expect(Object.keys(errorTable)).toContain(one);
              else for (const made of one) checkMade(made, all[i] as Packet);
            }
          },
        ),
        { numRuns: 100 },
      );
    }, 30_000);
  }
});
