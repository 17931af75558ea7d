import { DbusError, JsonText, type Table, type Value } from "#plugin";
import { parseTemplate, type Template } from "#src/format/template.ts";

const fixedVariables = ["db", "tbl", "ident"];
const columnPrefix = "row.";

/** What is wrong with a template, or undefined. */
export function checkTemplate(text: string): string | undefined {
  if (text === "") return "write something, or leave it out";
  const { variables } = parseTemplate(text);
  const known = (name: string) =>
    fixedVariables.includes(name) || (name.startsWith(columnPrefix) && name.length > 4);
  const unknown = variables.find((name) => !known(name));
  return unknown === undefined
    ? undefined
    : `\${${unknown}} is not known here: write \${db}, \${tbl}, \${ident} or \${row.COLUMN}`;
}

/** The same for an index, whose fixed part has to be one that Elasticsearch takes. */
export function checkIndexTemplate(text: string): string | undefined {
  const { fixed } = parseTemplate(text);
  if (/[A-Z]/.test(fixed)) return "an index has small letters only";
  if (/[\\/*?"<>|\s,#:{}$]/.test(fixed)) return 'an index has none of \\ / * ? " < > | , # : $ { }';
  if (/^[-_+]/.test(text)) return "an index begins with none of - _ +";
  return checkTemplate(text);
}

/** What of a packet a template can name: a row, or a document by its JSON if it has one. */
export type Source =
  | { readonly ident: string; readonly table: Table; readonly image: readonly Value[] }
  | {
      readonly ident: string;
      readonly table: undefined;
      readonly json: string | undefined;
      /** Those of its top, as soon as one of them was asked for. */
      fields: ReadonlyMap<string, Value> | undefined;
    };

/** The text of a template for a packet; undefined where a column that it names is null. */
export type Filled = (source: Source) => string | undefined;

/**
 * Throws `FORMAT_TEMPLATE` where there is no column or field of that name, and `ES_ROW_PARTIAL` for a
 * column that the image lacks.
 */
export function compileTemplate(template: Template): Filled {
  return (source) => {
    let isNull = false;
    const text = template.fill((variable) => {
      const value = variableOf(source, variable);
      isNull ||= value === null;
      return value === null ? "" : textOf(value);
    });
    return isNull ? undefined : text;
  };
}

function variableOf(source: Source, variable: string): Exclude<Value, undefined> {
  if (variable === "ident") return source.ident;
  if (variable === "db") return source.table?.db ?? "";
  if (variable === "tbl") return source.table?.name ?? "";
  const name = variable.slice(columnPrefix.length);
  const value = source.table === undefined ? fieldOf(source, name) : columnOf(source, name);
  if (value !== undefined) return value;
  throw new DbusError("ES_ROW_PARTIAL", `the row image does not carry column ${name}`);
}

function textOf(value: NonNullable<Value>): string {
  if (value instanceof JsonText) return value.text;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64url");
  return String(value);
}

/** Whether a template says something else for each row. */
export function namesColumns(template: Template | undefined): boolean {
  return template?.variables.some((name) => name.startsWith(columnPrefix)) ?? false;
}

const places = new WeakMap<Table, ReadonlyMap<string, number>>();

function columnOf({ table, image }: Extract<Source, { table: Table }>, name: string): Value {
  let known = places.get(table);
  if (known === undefined) {
    known = new Map(table.columns.map((column, i) => [column.name, i]));
    places.set(table, known);
  }
  const at = known.get(name);
  if (at !== undefined) return image[at];
  const what = `a template names \${row.${name}}, but ${table.db}.${table.name} has no such column`;
  throw new DbusError("FORMAT_TEMPLATE", what);
}

function fieldOf(source: Extract<Source, { table: undefined }>, name: string): Value {
  source.fields ??= fieldsOf(source.json);
  const value = source.fields.get(name);
  if (value !== undefined) return value;
  const what = `a template names \${row.${name}}, but the document has no such field`;
  throw new DbusError("FORMAT_TEMPLATE", what);
}

/** Numbers as they are written, since an id of more than 53 bits would lose digits. */
function fieldsOf(json: string | undefined): ReadonlyMap<string, Value> {
  let top: unknown;
  try {
    top = JSON.parse(json ?? "null", (_, value: unknown, context?: { source?: string }) =>
      typeof value === "number" ? (context?.source ?? value) : value,
    );
  } catch {
    throw new DbusError("FORMAT_VALUE", "what a template names a field of is no JSON");
  }
  if (typeof top !== "object" || top === null || Array.isArray(top)) return new Map();
  return new Map(
    Object.entries(top).map(([name, value]) => [
      name,
      typeof value === "object" && value !== null ? JSON.stringify(value) : (value as Value),
    ]),
  );
}
