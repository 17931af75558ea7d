import { createByteSink, putBytes, putText, takeText } from "../byte-sink.ts";
import { DbusError } from "../errors.ts";
import type { RowChange, Table, Value } from "../flow/packet.ts";
import { fragment } from "./json-put.ts";
import type { ValueEncoder } from "./json-value.ts";

type Image = readonly Value[];

/** Which columns are the key of a row. */
export type KeyPolicy = {
  /** Instead of the primary key, by `db.table`. */
  readonly columns: Readonly<Record<string, readonly string[]>>;
  /** What stands in for a key in a table without one: none, or the whole row. */
  readonly keyless: "none" | "row";
};

/** Writes the key of a row as a JSON object, e.g. `{"id":1}`, or null where there is none. */
export type KeyEncoder = {
  /** The key that the row has after the change, for a delete the one it had. */
  current(row: RowChange): string | null;
  /** The key that an update has taken the row away from; null when it kept its key. */
  former(row: RowChange): string | null;
};

/** Keys are written one at a time, and each is text before the next one is begun. */
const scratch = createByteSink(1024);

const none: KeyEncoder = { current: () => null, former: () => null };

function keyColumns(table: Table, policy: KeyPolicy): readonly number[] {
  const named = policy.columns[`${table.db}.${table.name}`];
  if (named) {
    return named.map((name) => {
      const index = table.columns.findIndex((column) => column.name === name);
      if (index >= 0) return index;
      throw new DbusError("FORMAT_KEY_MISSING", `${table.db}.${table.name} has no column ${name}`);
    });
  }
  if (table.primaryKey.length > 0 || policy.keyless === "none") return table.primaryKey;
  return table.columns.map((_, index) => index);
}

/** Compiled once for each table version. */
export function compileKey(
  table: Table,
  policy: KeyPolicy,
  encoders: readonly ValueEncoder[],
): KeyEncoder {
  const indexes = keyColumns(table, policy);
  if (indexes.length === 0) return none;
  const heads = indexes.map((index, i) => {
    return fragment(`${i === 0 ? "{" : ","}${JSON.stringify(table.columns[index]?.name ?? "")}:`);
  });

  // An image may lack columns (binlog_row_image=MINIMAL): the other image then has them.
  function write(image: Image, other: Image | undefined): string {
    scratch.at = 0;
    for (let i = 0; i < indexes.length; i++) {
      const index = indexes[i] as number;
      const value = image[index] ?? (image[index] === undefined ? other?.[index] : null);
      if (value === undefined) {
        const column = table.columns[index]?.name;
        throw new DbusError(
          "FORMAT_KEY_MISSING",
          `the row image of ${table.db}.${table.name} does not carry the key column ${column}`,
        );
      }
      putBytes(scratch, heads[i] as Uint8Array);
      if (value === null) putText(scratch, "null");
      else (encoders[index] as ValueEncoder)(value, scratch);
    }
    putText(scratch, "}");
    return takeText(scratch);
  }

  function sameKey(before: Image, after: Image): boolean {
    for (const index of indexes) {
      const value = after[index];
      // Uint8Array and JsonText are compared as text by the caller.
      if (value !== undefined && before[index] !== undefined && before[index] !== value)
        return false;
    }
    return true;
  }

  return {
    current(row) {
      const image = row.op === "D" ? row.before : row.after;
      return image ? write(image, row.before) : null;
    },
    former(row) {
      const { before, after } = row;
      if (row.op !== "U" || !before || !after || sameKey(before, after)) return null;
      const old = write(before, undefined);
      return old === write(after, before) ? null : old;
    },
  };
}
