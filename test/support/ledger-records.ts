import {
  canonicalText,
  Digits,
  type Item,
  itemColumns,
  parseExact,
  sumOf,
  txnChange,
} from "./ledger.ts";
import type { Seen } from "./ledger-checker.ts";

/** A change as a record tells it, and when dbus wrote the record, in Unix milliseconds. */
export type Sighting = Seen & { readonly writtenAt: number };

type Image = ReadonlyMap<string, string>;

/** A record of any format: the images that it carries, the one before the change first. */
type RowRecord = {
  readonly table: string;
  readonly op: "I" | "U" | "D";
  readonly images: readonly Image[];
  readonly writtenAt: number;
};

/**
 * Reads a record of the `row` or the `debezium` format as what it says of the ledger. Each image
 * that it carries must fit its own sum; the image that counts is the one after the change, for a
 * delete the one before. A move to another key that came in one record is two changes. Nothing for
 * a tombstone, which says nothing that the delete before it has not said.
 */
export function sightingsOf(value: Uint8Array | null): Sighting[] {
  if (value === null) return [];
  const parsed = parseExact(new TextDecoder("utf-8", { fatal: true }).decode(value));
  const record = readRecord(parsed as Fields);
  const last = record.images.at(-1);
  if (last === undefined) throw new Error(`a record of ${record.table} without rows`);
  const { writtenAt } = record;
  if (record.table === "txn") {
    const [writer = "", seq = ""] = `${last.get("id")}`.split(":");
    const change = txnChange(writer, seq, Number(last.get("changes")));
    return [{ ...change, op: record.op, intact: true, writtenAt }];
  }
  if (record.table !== "item") throw new Error(`a record of a table ${record.table}`);
  const intact = record.images.every((each) => each.get("sum") === sumOf(itemOf(each)));
  const seen = (op: Seen["op"], image: Image): Sighting => ({
    ...{ key: `item:${image.get("id")}`, op, n: Number(image.get("n")) },
    ...{ sum: `${image.get("sum")}`, intact, writtenAt },
  });
  const [first] = record.images;
  if (record.op === "U" && first !== undefined && first.get("id") !== last.get("id")) {
    return [seen("D", first), seen("I", last)];
  }
  return [seen(record.op, last)];
}

export type Fields = Readonly<Record<string, unknown>>;

/** A row of `item` as one JSON object, out of `parseExact`: its seal, and whether it fits. */
export function sealOf(fields: Fields): { readonly sum: string; readonly intact: boolean } {
  const image = new Map(Object.entries(fields).map(([column, field]) => [column, textOf(field)]));
  const sum = `${image.get("sum")}`;
  return { sum, intact: sum === sumOf(itemOf(image)) };
}

function readRecord(value: Fields): RowRecord {
  return "source" in value ? readEnvelope(value) : readRowEvent(value);
}

/** `dt` is Unix nanoseconds. */
function readRowEvent(event: Fields): RowRecord {
  const { tbl, dml, cols, rows, dt } = event as {
    readonly tbl: string;
    readonly dml: "I" | "U" | "D";
    readonly cols: readonly string[];
    readonly rows: readonly (readonly unknown[])[];
    readonly dt?: unknown;
  };
  const images = rows.map((row) => {
    if (cols.length !== row.length)
      throw new Error(`${row.length} values for ${cols.length} columns`);
    return new Map(cols.map((column, index) => [column, textOf(row[index])]));
  });
  return { table: tbl, op: dml, images, writtenAt: Number(textOf(dt)) / 1e6 };
}

const ops: Readonly<Record<string, RowRecord["op"]>> = { c: "I", u: "U", d: "D" };

function readEnvelope(envelope: Fields): RowRecord {
  const op = ops[`${envelope.op}`];
  if (op === undefined) throw new Error(`a record of the op ${envelope.op}`);
  const images = [envelope.before, envelope.after].filter((image) => image !== null);
  return {
    table: `${(envelope.source as Fields).table}`,
    op,
    images: images.map((image) => {
      const texts = Object.entries(image as Fields).map(([column, field]) => {
        return [column, column === "moment" ? momentOf(field) : textOf(field)] as const;
      });
      return new Map(texts);
    }),
    writtenAt: Number(textOf(envelope.ts_ms)),
  };
}

/** DATETIME(6) is microseconds since 1970 there, as if it were UTC. */
function momentOf(micros: unknown): string {
  const digits = textOf(micros);
  if (!(micros instanceof Digits) || digits.length <= 6) return digits;
  const seconds = new Date(Number(digits.slice(0, -6)) * 1000).toISOString();
  return `${seconds.slice(0, 19).replace("T", " ")}.${digits.slice(-6)}`;
}

/** Numbers as their digits, text as it is, the document as JSON text again. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : canonicalText(value);
}

function itemOf(image: Image): Item {
  return Object.fromEntries(
    itemColumns.map((column) => [column, image.get(column) ?? "(absent)"]),
  ) as Item;
}
