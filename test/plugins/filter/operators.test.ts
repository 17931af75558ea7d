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
import {
  type Column,
  type ColumnKind,
  JsonText,
  type Packet,
  type RowChange,
  type Value,
} from "#src/flow/packet.ts";
import { createFormat } from "#src/format/format.ts";
import { deepFreeze } from "../../contract/filter-plugin.ts";
import {
  changeOf,
  documentOf,
  readRecordOf,
  recordOf,
  textOf,
} from "../../support/field-packets.ts";
import { runFilter } from "../../support/run-filter.ts";

/** Names of columns and fields that a careless object would take for something else. */
const names = ["id", "a", "b", "a.b", "__proto__", "constructor", "toString", "", "`'\n", "é😀"];
/** What configurations can name. */
const fields = names.filter((name) => name !== "");

const kinds: readonly (readonly [ColumnKind, string, fc.Arbitrary<Value>])[] = [
  ["int", "int", fc.integer()],
  ["bigint", "bigint unsigned", fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })],
  ["float", "double", fc.double({ noNaN: true, noDefaultInfinity: true })],
  ["decimal", "decimal(65,30)", fc.constantFrom("0.10", "-99999999999999999999.5")],
  ["text", "text", fc.string({ unit: "binary" })],
  ["binary", "blob", fc.uint8Array({ maxLength: 20 })],
  ["datetime", "datetime(6)", fc.constantFrom("0000-00-00 00:00:00", "9999-12-31 23:59:59.999999")],
  ["json", "json", fc.json({ maxDepth: 3 }).map((text) => new JsonText(text))],
];

type Shape = {
  readonly columns: readonly Column[];
  readonly values: readonly fc.Arbitrary<Value>[];
};

const shapes: fc.Arbitrary<Shape> = fc
  .uniqueArray(fc.constantFrom(...names.slice(1)), { maxLength: 5 })
  .chain((others) =>
    fc.array(fc.constantFrom(...kinds), { minLength: 5, maxLength: 5 }).map((picked) => {
      const columns = ["id", ...others].map((name, i): Column => {
        const [kind, type] =
          i === 0
            ? (["bigint", "bigint"] as const)
            : ((picked[i - 1] ?? picked[0]) as (typeof kinds)[number]);
        return { name, kind, type, nullable: i > 0 };
      });
      const values = columns.map((_, i) =>
        i === 0
          ? fc.bigInt({ min: 0n, max: 2n ** 63n })
          : (picked[i - 1] as (typeof kinds)[number])[2],
      );
      return { columns, values };
    }),
  );

/** Inserts, updates and deletes, whole or without some columns; NULL here and there. */
const rows: fc.Arbitrary<Packet> = shapes.chain(({ columns, values }) => {
  const image = fc.tuple(
    ...values.map((value, i) =>
      i === 0
        ? value
        : fc.oneof({ weight: 6, arbitrary: value }, fc.constant(null), fc.constant(undefined)),
    ),
  );
  const table = { db: "shop", name: "orders", columns, primaryKey: [0] };
  const images = fc.oneof(
    fc.record({ after: image }),
    fc.record({ before: image }),
    fc.record({ before: image, after: image }),
  );
  return images.map((one) => changeOf(table, one));
});

const documents = fc
  .dictionary(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 3 }))
  .map((value) => JSON.stringify(value));
const packets: fc.Arbitrary<Packet> = fc.oneof(
  { weight: 3, arbitrary: rows },
  documents.map(documentOf),
  documents.map((json) => recordOf(json)),
  documents.map((json) => readRecordOf(json)),
  fc.constantFrom(textOf("a b"), recordOf(null), recordOf("no JSON"), documentOf("[1]")),
);

const field = fc.constantFrom(...fields);
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
          fc.array(packets, { minLength: 1, maxLength: 4 }),
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
