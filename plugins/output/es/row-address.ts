import { createHash } from "node:crypto";
import { DbusError, type RowChange, type Table, type Value } from "#plugin";
import type { ValueEncoder } from "#src/format/json-value.ts";
import { compileKey, type KeyEncoder } from "#src/format/key.ts";

const idBytesMax = 512;

/** The `_id` that a row has by its key, before a change and after it. */
export type RowIds = {
  current(row: RowChange): string;
  /** The one that an update has taken the row away from; undefined when it kept it. */
  former(row: RowChange): string | undefined;
};

export type RowIdOptions = {
  readonly keyColumns: Readonly<Record<string, readonly string[]>>;
};

/** Compiled once for each version of a table. Its functions throw `FORMAT_KEY_MISSING`. */
export function compileRowIds(
  table: Table,
  { keyColumns }: RowIdOptions,
  encoders: readonly ValueEncoder[],
): RowIds {
  const key = compileKey(table, { columns: keyColumns, keyless: "none" }, encoders);
  const at = wholeNumber(table, keyColumns);
  const ofKey = (json: string | null): string => {
    if (json !== null) return idOfKey(json);
    const what = `${table.db}.${table.name} has no primary key, and a document needs an id`;
    const remedy = "name its columns in keyColumns, or write an id template; then redrive it";
    throw new DbusError("FORMAT_KEY_MISSING", what, { remedy });
  };
  if (at === undefined) return byText(key, ofKey);
  return {
    current(row) {
      const digits = digitsOf((row.op === "D" ? row.before : row.after)?.[at]);
      return digits ?? ofKey(key.current(row));
    },
    former(row) {
      if (row.op !== "U") return undefined;
      const was = digitsOf(row.before?.[at]);
      const is = digitsOf(row.after?.[at]);
      if (was === undefined || is === undefined) return byText(key, ofKey).former(row);
      return was === is ? undefined : was;
    },
  };
}

function byText(key: KeyEncoder, ofKey: (json: string | null) => string): RowIds {
  return {
    current: (row) => ofKey(key.current(row)),
    former(row) {
      const json = key.former(row);
      return json === null ? undefined : ofKey(json);
    },
  };
}

/** The one column of the key when it holds whole numbers, whose digits are an id already. */
function wholeNumber(table: Table, keyColumns: RowIdOptions["keyColumns"]): number | undefined {
  if (keyColumns[`${table.db}.${table.name}`] !== undefined) return undefined;
  const [at, more] = table.primaryKey;
  if (at === undefined || more !== undefined) return undefined;
  const kind = table.columns[at]?.kind;
  return kind === "int" || kind === "bigint" ? at : undefined;
}

function digitsOf(value: Value): string | undefined {
  return typeof value === "number" || typeof value === "bigint" ? String(value) : undefined;
}

/** Text of any length and any characters as what an `_id` may be. */
function idOfKey(key: string): string {
  const text = Buffer.from(key).toString("base64url");
  return text.length <= idBytesMax ? text : hashOf(key);
}

/** An id that a template gives, as it is unless it is too long. Throws `FORMAT_TEMPLATE`. */
export function idOfTemplate(text: string | undefined): string {
  if (text === undefined || text === "") {
    throw new DbusError("FORMAT_TEMPLATE", "the id template gives nothing: a column is null");
  }
  return boundedId(text);
}

/** As it is, or the SHA-256 of what is longer than an `_id` may be. */
export function boundedId(text: string): string {
  return Buffer.byteLength(text) <= idBytesMax ? text : hashOf(text);
}

function hashOf(of: string): string {
  return createHash("sha256").update(of).digest("base64url");
}
