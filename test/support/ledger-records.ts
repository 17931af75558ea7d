import { canonicalText, type Item, itemColumns, parseExact, sumOf, txnChange } from "./ledger.ts";
import type { Seen } from "./ledger-checker.ts";

type RowEvent = {
  readonly tbl: string;
  readonly dml: "I" | "U" | "D";
  readonly cols: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
};

/**
 * Reads a record of the `row` format as a change of the ledger. Each image that it carries must
 * fit its own sum; the image that counts is the one after the change, for a delete the one before.
 * Null for a tombstone, which says nothing that the delete before it has not said.
 */
export function seenOf(value: Uint8Array | null): Seen | null {
  if (value === null) return null;
  const event = parseExact(new TextDecoder("utf-8", { fatal: true }).decode(value)) as RowEvent;
  const images = event.rows.map((row) => imageOf(event.cols, row));
  const image = images.at(-1);
  if (image === undefined) throw new Error(`a record of ${event.tbl} without rows`);
  const text = (name: string) => String(image.get(name));
  if (event.tbl === "txn") {
    const [writer = "", seq = ""] = text("id").split(":");
    const change = txnChange(writer, seq, Number(text("changes")));
    return { ...change, op: event.dml, intact: true };
  }
  if (event.tbl !== "item") throw new Error(`a record of a table ${event.tbl}`);
  const intact = images.every((each) => each.get("sum") === sumOf(itemOf(each)));
  const identity = { key: `item:${text("id")}`, op: event.dml, n: Number(text("n")) };
  return { ...identity, sum: text("sum"), intact };
}

function imageOf(cols: readonly string[], row: readonly unknown[]): Map<string, string> {
  if (cols.length !== row.length)
    throw new Error(`${row.length} values for ${cols.length} columns`);
  return new Map(cols.map((column, index) => [column, textOf(row[index])]));
}

/** Numbers as their digits, text as it is, the document as JSON text again. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : canonicalText(value);
}

function itemOf(image: ReadonlyMap<string, string>): Item {
  return Object.fromEntries(
    itemColumns.map((column) => [column, image.get(column) ?? "(absent)"]),
  ) as Item;
}
