import { DbusError } from "../errors.ts";
import {
  type Column,
  JsonText,
  type Packet,
  type Payload,
  type RowChange,
  recordOf,
  type Table,
  type Value,
} from "../flow/packet.ts";
import { type ExactJson, isRawNumber, parseExact } from "./exact-json.ts";
import type { Usage } from "./expression-usage.ts";

type Values = Record<string, unknown>;
type Reader = { readonly name: string; readonly index: number; readonly column: Column };

/**
 * What an expression sees of a packet, as CEL's own values: whole numbers are `int`, whatever their
 * size, DECIMAL is text, and a column that the row image does not carry is not there.
 */
export function createValues(usage: Usage): (packet: Packet, elementsMax: number) => Values {
  const { names, fields } = usage;
  const wants = (name: string) => names.has(name);
  const readers = new WeakMap<Table, Map<string, readonly Reader[]>>();

  function readersOf(table: Table, of: string): readonly Reader[] {
    const known = readers.get(table) ?? new Map<string, readonly Reader[]>();
    readers.set(table, known);
    let found = known.get(of);
    if (!found) {
      const wanted = fields.get(of) ?? "all";
      found = table.columns.flatMap((column, index) =>
        wanted === "all" || wanted.has(column.name) ? [{ name: column.name, index, column }] : [],
      );
      known.set(of, found);
    }
    return found;
  }

  function image(of: string, table: Table, row: RowChange["after"], budget: Budget): unknown {
    if (!row) return null;
    const values: Values = Object.create(null);
    for (const { name, index, column } of readersOf(table, of)) {
      const value = row[index];
      if (value !== undefined) values[name] = celValue(value, column, budget);
    }
    return values;
  }

  function ofRow(change: RowChange, values: Values, budget: Budget): void {
    const { table, before, after, op, ts, txn } = change;
    values.op = op;
    values.db = table.db;
    values.table = table.name;
    values.gtid = txn.gtid ?? "";
    if (wants("ts")) values.ts = new Date(ts * 1000);
    if (wants("row")) values.row = image("row", table, after ?? before, budget);
    if (wants("before")) values.before = image("before", table, before, budget);
    if (wants("after")) values.after = image("after", table, after, budget);
  }

  /** What a record has beside its fields, whatever its value was made into. */
  function ofRecord(payload: Payload, values: Values): void {
    const record = recordOf(payload);
    if (record === undefined) return;
    const { key, headers, timestamp } = record;
    if (wants("key")) values.key = key === null ? null : textOf(key);
    if (wants("value")) values.value = recordValue(payload);
    if (timestamp !== undefined) values.ts = new Date(timestamp);
    if (wants("headers")) {
      const pairs = headers.map(([name, one]) => [
        name,
        one === null || typeof one === "string" ? one : String(textOf(one)),
      ]);
      values.headers = Object.assign(Object.create(null), Object.fromEntries(pairs));
    }
  }

  return ({ ident, payload }, elementsMax) => {
    const budget: Budget = { elementsMax, splits: usage.splits };
    const values: Values = { ident, kind: payload.kind, before: null, after: null };
    ofRecord(payload, values);
    switch (payload.kind) {
      case "row":
        ofRow(payload, values, budget);
        break;
      case "bytes":
        if (wants("row")) values.row = documentOf(recordValue(payload) ?? "null", budget);
        break;
      case "text":
        values.text = payload.text;
        budgeted(payload.text.length, { ...budget, elementsMax: splitMax(budget) });
        break;
      case "document":
        if (wants("row")) values.row = documentOf(payload.json, budget);
        break;
    }
    return values;
  };
}

type Budget = { readonly elementsMax: number; readonly splits: boolean };

/** A text may become as many elements as it has characters, where it is split. */
const splitMax = ({ splits, elementsMax }: Budget): number =>
  splits ? elementsMax : Number.POSITIVE_INFINITY;

function budgeted(elements: number, { elementsMax }: Budget): void {
  if (elements <= elementsMax) return;
  const message = `a list or map of ${elements} elements is more than the expression may go through`;
  throw new DbusError("EXPRESSION_FAILED", message);
}

/** The fields of a document; what is no JSON object has none. */
function documentOf(json: string | Uint8Array, budget: Budget): unknown {
  let parsed: ExactJson;
  try {
    parsed = parseExact(String(json));
  } catch (error) {
    throw new DbusError("EXPRESSION_FAILED", "the packet is not JSON", { cause: error });
  }
  const value = jsonValue(parsed, budget);
  return value !== null && typeof value === "object" ? value : Object.create(null);
}

function celValue(value: Value, { kind }: Column, budget: Budget): unknown {
  if (value === null || value === undefined) return null;
  if (typeof value === "number") return kind === "float" ? value : wholeOf(value);
  if (value instanceof JsonText) return jsonValue(parseExact(value.text), budget);
  if (typeof value === "string") budgeted(budget.splits ? value.length : 0, budget);
  return value;
}

/** The same for a value of JSON: numbers without a fraction are `int`, others `double`. */
function jsonValue(value: ExactJson, budget: Budget): unknown {
  if (typeof value === "number") return wholeOf(value);
  if (isRawNumber(value)) {
    return /^-?\d+$/.test(value.rawJSON) ? BigInt(value.rawJSON) : Number(value.rawJSON);
  }
  if (typeof value === "string") budgeted(budget.splits ? value.length : 0, budget);
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) {
    budgeted(value.length, budget);
    return value.map((one) => jsonValue(one, budget));
  }
  const entries = Object.entries(value);
  budgeted(entries.length, budget);
  const copy: Values = Object.create(null);
  for (const [key, one] of entries) copy[key] = jsonValue(one, budget);
  return copy;
}

const wholeOf = (value: number): number | bigint =>
  Number.isSafeInteger(value) ? BigInt(value) : value;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The value of a record: null for a tombstone. */
function recordValue(payload: Payload): string | Uint8Array | null {
  if (payload.kind === "bytes") return payload.value === null ? null : textOf(payload.value);
  if (payload.kind === "text") return payload.text;
  return payload.kind === "document" ? payload.json : null;
}

/** Text where the bytes are text, else the bytes. */
function textOf(bytes: Uint8Array): string | Uint8Array {
  try {
    return utf8.decode(bytes);
  } catch {
    return bytes;
  }
}
