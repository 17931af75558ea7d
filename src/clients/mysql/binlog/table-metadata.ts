/**
 * The optional metadata of a TABLE_MAP event (MySQL 8.0.1, MariaDB 10.5). Each list has an entry a
 * column of the table, undefined where the column has no such thing; a list that the server did
 * not send is undefined. `SET GLOBAL binlog_row_metadata = FULL` makes it send them all.
 */
export type TableMetadata = {
  readonly unsigned: readonly boolean[] | undefined;
  /** Collation ids of CHAR, VARCHAR, TEXT and their binary brothers (63), of ENUM and SET. */
  readonly collations: readonly (number | undefined)[] | undefined;
  readonly names: readonly string[] | undefined;
  /** Values of ENUM and SET columns, in the column's own charset. */
  readonly members: readonly (readonly Uint8Array[] | undefined)[] | undefined;
  readonly primaryKey: readonly number[] | undefined;
};
