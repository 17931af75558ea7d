import { DbusError } from "../errors.ts";
import type { Bytes, Column, Packet, RowChange, Table, Value } from "../flow/packet.ts";
import { type ExactObject, exactText, isExactObject, parseExact } from "./exact-json.ts";
import { fieldAt, withField } from "./field-path.ts";
import { jsonIn, jsonText } from "./packet-parts.ts";

/** One column of the table that a filter makes: which column it was, and what becomes of values. */
export type ColumnPlan = {
  readonly from: number;
  readonly column: Column;
  /** Given what is there, NULL and absent values not. */
  readonly convert?: (value: NonNullable<Value>) => Value;
};

/** What a filter does to fields: columns of rows, and fields of JSON objects. */
export type FieldEdit = {
  /** Called once for each version of a table. Throws what each row of it then fails with. */
  columns(table: Table): readonly ColumnPlan[];
  object(fields: ExactObject): ExactObject;
};

/** What stands in the place of values: of a column's, and of the text of one in JSON. */
export type Replacement = {
  /** Throws what each row of the table then fails with. */
  column(column: Column, table: Table, at: number): Omit<ColumnPlan, "from">;
  text(text: string): string | null;
};

/** Replaces the values of some fields; those that are NULL stay so. */
export function replacing(
  fields: readonly string[],
  onMissing: "fail" | "pass",
  replacement: Replacement,
): FieldEdit {
  const replaced = new Set(fields);
  const fails = onMissing === "fail";
  return {
    columns(table) {
      if (fails) requireColumns(table, fields);
      return table.columns.map((column, from) =>
        replaced.has(column.name)
          ? { from, ...replacement.column(column, table, from) }
          : { from, column },
      );
    },
    object(object) {
      let copy = object;
      for (const name of fields) {
        const value = fieldAt(copy, name);
        if (value === undefined && fails) throw missing(name);
        if (value === undefined || value === null) continue;
        copy = withField(copy, name, replacement.text(jsonText(value)));
      }
      return copy;
    },
  };
}

/** Bytes that a packet is charged beside its text. */
const charge = (text: string): number => Math.max(1, Buffer.byteLength(text));

/**
 * Applies an edit to packets: rows, documents, and records whose value is a JSON object. Throws
 * `FILTER_FAILED` for what has no fields. Everything else of the packet stays, its place in the
 * source among it.
 */
export function createFieldEditor(edit: FieldEdit, ident: string): (packet: Packet) => Packet {
  const tables = createTableEditor((table) => edit.columns(table));
  return (packet) => {
    const { payload, position } = packet;
    switch (payload.kind) {
      case "row": {
        const edited = tables(payload);
        return { ident, payload: edited, position, bytes: packet.bytes + grownBy(payload, edited) };
      }
      case "document": {
        const json = exactText(edit.object(objectOf(payload.json)));
        return { ident, payload: { ...payload, json }, position, bytes: charge(json) };
      }
      case "bytes": {
        const edited = editedRecord(packet, payload, edit);
        const change = (edited.value?.length ?? 0) - (payload.value?.length ?? 0);
        return { ident, payload: edited, position, bytes: Math.max(1, packet.bytes + change) };
      }
      default:
        throw new DbusError("FILTER_FAILED", "a text has no fields", {
          remedy: "make a document of it with a RegexFilter before this filter, or filter it out",
        });
    }
  };
}

type Edited = {
  readonly table: Table;
  readonly plans: readonly ColumnPlan[];
  readonly error: unknown;
};

function createTableEditor(columnsOf: (table: Table) => readonly ColumnPlan[]) {
  const known = new WeakMap<Table, Edited>();
  return (row: RowChange): RowChange => {
    let edited = known.get(row.table);
    if (!edited) {
      edited = editTable(row.table, columnsOf);
      known.set(row.table, edited);
    }
    if (edited.error !== undefined) throw edited.error;
    const { table, plans } = edited;
    return { ...row, table, before: image(row.before, plans), after: image(row.after, plans) };
  };
}

function editTable(table: Table, columnsOf: (table: Table) => readonly ColumnPlan[]): Edited {
  try {
    const plans = columnsOf(table);
    const primaryKey = table.primaryKey.map((index) =>
      plans.findIndex(({ from }) => from === index),
    );
    if (primaryKey.includes(-1)) {
      const message = `a column of the primary key of ${table.db}.${table.name} would be dropped`;
      throw new DbusError("FILTER_FAILED", message, {
        remedy: "keep the columns of the key: order and deletes depend on it",
      });
    }
    const columns = plans.map(({ column }) => column);
    return { table: { ...table, columns, primaryKey }, plans, error: undefined };
  } catch (error) {
    return { table, plans: [], error };
  }
}

function image(
  values: RowChange["after"],
  plans: readonly ColumnPlan[],
): readonly Value[] | undefined {
  return values?.map === undefined
    ? undefined
    : plans.map(({ from, convert }) => {
        const value = values[from];
        return convert && value !== null && value !== undefined ? convert(value) : value;
      });
}

/** What new text of a row is charged beside what it was; it is never charged less than it was. */
function grownBy(before: RowChange, after: RowChange): number {
  const size = ({ before: old, after: now }: RowChange) =>
    [...(old ?? []), ...(now ?? [])].reduce<number>(
      (sum, value) => sum + (typeof value === "string" ? value.length : 8),
      0,
    );
  return Math.max(0, size(after) - size(before));
}

const encoder = new TextEncoder();

function editedRecord(packet: Packet, record: Bytes, edit: FieldEdit): Bytes {
  const text = jsonIn(packet);
  // A tombstone says that a key is gone: nothing in it has a name.
  if (text === undefined) return record;
  return { ...record, value: encoder.encode(exactText(edit.object(objectOf(text)))) };
}

/** The JSON object of a text. Throws `FILTER_FAILED`. */
export function objectOf(json: string): ExactObject {
  let value: unknown;
  try {
    value = parseExact(json);
  } catch (error) {
    throw new DbusError("FILTER_FAILED", "the packet is not JSON", { cause: error });
  }
  if (isExactObject(value)) return value;
  throw new DbusError("FILTER_FAILED", "the packet is JSON, but no object");
}

/** Throws `FIELD_MISSING` for the first of these that is no column of the table. */
export function requireColumns(table: Table, names: Iterable<string>): void {
  for (const name of names) {
    if (columnIndex(table, name) < 0) throw missing(name, tableName(table));
  }
}

/** The index of a column; -1 where it is not there. */
export function columnIndex(table: Table, name: string): number {
  return table.columns.findIndex((column) => column.name === name);
}

/** What a packet fails with that does not have a field that a filter names. */
export function missing(name: string, of = "the document"): DbusError {
  return new DbusError("FIELD_MISSING", `${of} has no field ${name}`);
}

export const tableName = ({ db, name }: Table): string => `${db}.${name}`;
