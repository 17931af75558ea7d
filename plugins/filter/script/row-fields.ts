import { type Column, DbusError, JsonText, type RowChange, type Table, type Value } from "#plugin";
import { isJson } from "#src/format/is-json.ts";

/** Columns by name. A column that the row image does not carry is not there. */
export type Fields = Record<string, Value>;

export function fieldsOf(table: Table, image: RowChange["after"]): Fields | undefined {
  if (!image) return undefined;
  const present = table.columns.flatMap(({ name }, i) =>
    image[i] === undefined ? [] : [[name, image[i]] as const],
  );
  return Object.fromEntries(present);
}

/** Tables that scripts have made of one table, by the columns that they gave. */
const made = new WeakMap<Table, Map<string, Table>>();
/** A script that makes columns up without end would fill the memory with tables. */
const shapesMax = 1_000;

/**
 * A row with the columns that a script gave: those of the table keep their types and their order,
 * new ones come behind, and what is in neither image is gone, unless it was not carried before.
 */
export function rowOfFields(
  row: RowChange,
  before: Fields | undefined,
  after: Fields | undefined,
): RowChange {
  if (
    (before === undefined) !== (row.before === undefined) ||
    !after !== (row.after === undefined)
  ) {
    throw new DbusError(
      "FILTER_FAILED",
      "a row keeps its images: before and after stay or are gone",
    );
  }
  const table = tableFor(row, before, after);
  const image = (fields: Fields | undefined) =>
    fields && table.columns.map(({ name }) => columnValue(fields, name));
  return { ...row, table, before: image(before), after: image(after) };
}

function columnValue(fields: Fields, name: string): Value {
  const value: unknown = Object.hasOwn(fields, name) ? fields[name] : undefined;
  switch (typeof value) {
    case "undefined":
    case "string":
    case "bigint":
      return value;
    case "boolean":
      // As MySQL has it.
      return value ? 1 : 0;
    case "number":
      if (Number.isFinite(value)) return value;
      break;
    case "object":
      if (value === null || value instanceof JsonText || value instanceof Uint8Array) return value;
      return jsonTextOf(value);
  }
  const what = typeof value === "number" ? "a number that is not finite" : `a ${typeof value}`;
  throw new DbusError("FILTER_FAILED", `the function gave ${what} for the column ${name}`);
}

/** JSON: `{text}` as `dbc types` has it, or any other object or list as itself. */
function jsonTextOf(value: object): JsonText {
  const { text } = value as { readonly text?: unknown };
  if (typeof text === "string" && Object.keys(value).length === 1 && isJson(text)) {
    return new JsonText(text);
  }
  return new JsonText(JSON.stringify(value));
}

function tableFor(row: RowChange, before: Fields | undefined, after: Fields | undefined): Table {
  const { table } = row;
  const given = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  const carried = (i: number) => row.before?.[i] !== undefined || row.after?.[i] !== undefined;
  const kept = table.columns.filter(({ name }, i) => given.has(name) || !carried(i));
  const known = new Set(table.columns.map(({ name }) => name));
  const added = [...given].filter((name) => !known.has(name));
  if (kept.length === table.columns.length && added.length === 0) return table;
  const columns = [
    ...kept,
    ...added.map((name) => newColumn(name, own(after, name) ?? own(before, name))),
  ];
  const shape = JSON.stringify(columns.map(({ name, kind }) => [name, kind]));
  const shapes = made.get(table) ?? new Map<string, Table>();
  made.set(table, shapes);
  let found = shapes.get(shape);
  if (!found) {
    found = { ...table, columns, primaryKey: keyOf(table, columns) };
    if (shapes.size >= shapesMax) shapes.clear();
    shapes.set(shape, found);
  }
  return found;
}

/** A column may be called as what every object inherits. */
function own(fields: Fields | undefined, name: string): Value {
  return fields && Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function keyOf(table: Table, columns: readonly Column[]): readonly number[] {
  return table.primaryKey.map((index) => {
    const name = table.columns[index]?.name;
    const at = columns.findIndex((column) => column.name === name);
    if (at >= 0) return at;
    const message = `the column ${name} of the primary key of ${table.db}.${table.name} is gone`;
    throw new DbusError("FILTER_FAILED", message, { remedy: "keep the columns of the key" });
  });
}

function newColumn(name: string, value: unknown): Column {
  const nullable = true;
  switch (typeof value) {
    case "number":
      return Number.isInteger(value)
        ? { name, kind: "int", type: "int", nullable }
        : { name, kind: "float", type: "double", nullable };
    case "bigint":
      return { name, kind: "bigint", type: "bigint", nullable };
    case "boolean":
      return { name, kind: "int", type: "tinyint(1)", nullable };
    case "object":
      if (value instanceof Uint8Array) return { name, kind: "binary", type: "blob", nullable };
      if (value !== null) return { name, kind: "json", type: "json", nullable };
      return { name, kind: "text", type: "text", nullable };
    default:
      return { name, kind: "text", type: "text", nullable };
  }
}
