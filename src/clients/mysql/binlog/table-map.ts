import type { TableMetadata } from "./table-metadata.ts";

/**
 * What a TABLE_MAP event says of a table. One object a version: the decoder gives the same object
 * for as long as the table id stands for the same bytes, so it can be the key of a `WeakMap`.
 */
export type TableMap = {
  readonly tableId: number;
  readonly db: string;
  readonly table: string;
  readonly columnCount: number;
  /** Column types of the protocol (`column-type.ts`); ENUM and SET stand here, not STRING. */
  readonly types: Uint8Array;
  /** What belongs to the type: length, fraction digits, precision; see `column-type.ts`. */
  readonly meta: readonly number[];
  /** One bit a column, least significant first. */
  readonly nullable: Uint8Array;
  readonly metadata: TableMetadata;
};
