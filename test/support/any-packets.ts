import fc from "fast-check";
import {
  type Column,
  type ColumnKind,
  JsonText,
  type Packet,
  type Value,
} from "#src/flow/packet.ts";
import { changeOf, documentOf, readRecordOf, recordOf, textOf } from "./field-packets.ts";

/** Names of columns and fields that a careless object would take for something else. */
const names = ["id", "a", "b", "a.b", "__proto__", "constructor", "toString", "", "`'\n", "é😀"];
/** What configurations can name. */
export const fieldNames = names.filter((name) => name !== "");

/** Also on several lines, as a person or a script may have written it. */
const json = fc.oneof(
  fc.json({ maxDepth: 3 }),
  fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value, null, 1)),
);

const kinds: readonly (readonly [ColumnKind, string, fc.Arbitrary<Value>])[] = [
  ["int", "int", fc.integer()],
  ["bigint", "bigint unsigned", fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })],
  ["float", "double", fc.double({ noNaN: true, noDefaultInfinity: true })],
  ["decimal", "decimal(65,30)", fc.constantFrom("0.10", "-99999999999999999999.5")],
  ["text", "text", fc.string({ unit: "binary" })],
  ["binary", "blob", fc.uint8Array({ maxLength: 20 })],
  ["datetime", "datetime(6)", fc.constantFrom("0000-00-00 00:00:00", "9999-12-31 23:59:59.999999")],
  ["json", "json", json.map((text) => new JsonText(text))],
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
export const anyRow: fc.Arbitrary<Packet> = shapes.chain(({ columns, values }) => {
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
export const anyPacket: fc.Arbitrary<Packet> = fc.oneof(
  { weight: 3, arbitrary: anyRow },
  documents.map(documentOf),
  documents.map((json) => recordOf(json)),
  documents.map((json) => readRecordOf(json)),
  fc.constantFrom(textOf("a b"), recordOf(null), recordOf("no JSON"), documentOf("[1]")),
);
