import type { TableMap } from "./table-map.ts";

/** One column as `information_schema.COLUMNS` tells it. */
export type SchemaColumn = {
  readonly name: string;
  /** COLUMN_TYPE, e.g. `int unsigned`, `int(10) unsigned`, `enum('a','b')`. */
  readonly type: string;
  /** CHARACTER_SET_NAME; null for what is not text. */
  readonly charset: string | null;
  readonly nullable: boolean;
};

/** A table as the server describes it now, columns in their order. */
export type TableSchema = {
  readonly columns: readonly SchemaColumn[];
  /** Indexes into `columns` of the primary key, in key order; empty without one. */
  readonly primaryKey: readonly number[];
};

/**
 * Asked once for each version of a table whose TABLE_MAP does not carry the names. Undefined when
 * nothing is known: then rows of that table end with SCHEMA_UNKNOWN.
 */
export type SchemaLookup = (
  db: string,
  table: string,
  tableId: number,
  map: TableMap,
) => TableSchema | undefined;

/** For those who have no server to ask. */
export const noSchema: SchemaLookup = () => undefined;
