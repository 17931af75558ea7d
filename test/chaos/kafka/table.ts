import { exactDocuments } from "../../support/es-ledger.ts";
import { canonicalText, parseExact } from "../../support/ledger.ts";
import type { Table } from "./expected.ts";

/** What of the tables is not in their indices as it is in the source; empty when all is well. */
export async function tableDifference(
  url: string,
  tables: ReadonlyMap<string, Table>,
): Promise<string> {
  const found: string[] = [];
  for (const [index, table] of tables) {
    const documents = await exactDocuments(url, index);
    const texts = new Map([...documents].map(([id, fields]) => [id, canonicalText(fields)]));
    found.push(...differenceOf(table, texts).map((text) => `${index}: ${text}`));
  }
  return found.join("; ");
}

/** `table` has JSON as it was written, `documents` the canonical text of each. */
export function differenceOf(table: Table, documents: ReadonlyMap<string, string>): string[] {
  const missing: string[] = [];
  const changed: string[] = [];
  const left = [...documents.keys()].filter((id) => !table.has(id));
  for (const [id, values] of table) {
    const is = documents.get(id) ?? null;
    const may = [...values].map((value) => (value === null ? null : exactly(value)));
    if (may.includes(is)) continue;
    if (is === null) missing.push(id);
    else (may.every((value) => value === null) ? left : changed).push(id);
  }
  return Object.entries({ missing, left, changed }).flatMap(([kind, ids]) =>
    ids.length === 0 ? [] : [`${ids.length} ${kind}, such as ${ids.slice(0, 3)}`],
  );
}

const exactly = (value: string) =>
  canonicalText(parseExact(Buffer.from(value, "latin1").toString()));
