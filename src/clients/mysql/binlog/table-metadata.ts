import type { Flavor } from "../flavor.ts";
import { type Cursor, copyOf, corrupt, packedInt, take } from "./bytes.ts";
import { isCharacter, isNumeric, columnType as t } from "./column-type.ts";

/**
 * The optional metadata of a TABLE_MAP event (MySQL 8.0.1, MariaDB 10.5). Each list has an entry a
 * column of the table, undefined where the column has no such thing; a list that the server did
 * not send is undefined. `SET GLOBAL binlog_row_metadata = FULL` makes it send them all.
 */
export type TableMetadata = {
  readonly unsigned: readonly boolean[] | undefined;
  /** Collation ids of CHAR, VARCHAR, TEXT and their binary brothers (63), of ENUM and SET. */
  readonly collations: readonly (number | undefined)[];
  readonly names: readonly string[] | undefined;
  /** Values of ENUM and SET columns, in the column's own character set. */
  readonly members: readonly (readonly Uint8Array[] | undefined)[];
  readonly primaryKey: readonly number[] | undefined;
  /** Which figure a GEOMETRY column holds, as `Field::geometry_type` counts: 1 is a point. */
  readonly figures: readonly (number | undefined)[];
  /** Of VECTOR columns. */
  readonly dimensions: readonly (number | undefined)[];
};

export const noMetadata: TableMetadata = {
  unsigned: undefined,
  collations: [],
  names: undefined,
  members: [],
  primaryKey: undefined,
  figures: [],
  dimensions: [],
};

/** Field types, as `Table_map_log_event::Optional_metadata_field_type` numbers them. */
const field = {
  signedness: 1,
  defaultCharset: 2,
  columnCharset: 3,
  columnName: 4,
  setMembers: 5,
  enumMembers: 6,
  geometryType: 7,
  simplePrimaryKey: 8,
  prefixPrimaryKey: 9,
  enumSetDefaultCharset: 10,
  enumSetColumnCharset: 11,
  vectorDimensions: 13,
} as const;

/** Fields of `type:1 length:packed value` up to the end; what is not known is passed over. */
export function parseMetadata(c: Cursor, types: Uint8Array, flavor: Flavor): TableMetadata {
  const characters = columns(types, isListed(flavor));
  const collations = new Array<number | undefined>(types.length).fill(undefined);
  const members = new Array<Uint8Array[] | undefined>(types.length).fill(undefined);
  const figures = new Array<number | undefined>(types.length).fill(undefined);
  const dimensions = new Array<number | undefined>(types.length).fill(undefined);
  let unsigned: boolean[] | undefined;
  let names: string[] | undefined;
  let primaryKey: number[] | undefined;
  while (c.at < c.end) {
    const kind = c.bytes[take(c, 1)]!;
    const length = packedInt(c);
    const at = take(c, length);
    const value: Cursor = { bytes: c.bytes, at, end: at + length };
    if (kind === field.signedness) unsigned = signedness(value, types);
    else if (kind === field.defaultCharset) byDefault(value, characters, collations);
    else if (kind === field.columnCharset) byColumn(value, characters, collations);
    else if (kind === field.enumSetDefaultCharset)
      byDefault(value, columns(types, isChoice), collations);
    else if (kind === field.enumSetColumnCharset)
      byColumn(value, columns(types, isChoice), collations);
    else if (kind === field.columnName) names = columnNames(value, types.length);
    else if (kind === field.setMembers) memberLists(value, types, t.set, members);
    else if (kind === field.enumMembers) memberLists(value, types, t.enum, members);
    else if (kind === field.geometryType)
      byColumn(
        value,
        columns(types, (type) => type === t.geometry),
        figures,
      );
    else if (kind === field.vectorDimensions)
      byColumn(
        value,
        columns(types, (type) => type === t.vector),
        dimensions,
      );
    else if (kind === field.simplePrimaryKey) primaryKey = keyColumns(value, types.length, false);
    else if (kind === field.prefixPrimaryKey) primaryKey = keyColumns(value, types.length, true);
  }
  // A table without a primary key sends none, also when it sends the names.
  if (names !== undefined && primaryKey === undefined) primaryKey = [];
  return { unsigned, collations, names, members, primaryKey, figures, dimensions };
}

/** Columns that are bytes to the server, so that it lists the character set `binary` for them. */
function isListed(flavor: Flavor): (type: number) => boolean {
  const more = flavor === "mariadb" ? t.geometry : t.vector;
  return (type) => isCharacter(type) || type === more;
}

function isChoice(type: number): boolean {
  return type === t.enum || type === t.set;
}

function columns(types: Uint8Array, of: (type: number) => boolean): number[] {
  const found: number[] = [];
  for (let i = 0; i < types.length; i++) if (of(types[i]!)) found.push(i);
  return found;
}

/** One bit a numeric column, most significant first. */
function signedness(c: Cursor, types: Uint8Array): boolean[] {
  const unsigned = new Array<boolean>(types.length).fill(false);
  const numeric = columns(types, isNumeric);
  const at = take(c, (numeric.length + 7) >> 3);
  for (const [bit, column] of numeric.entries()) {
    unsigned[column] = (c.bytes[at + (bit >> 3)]! & (0x80 >> (bit & 7))) !== 0;
  }
  return unsigned;
}

/** A collation for all, then pairs of (place among these columns, collation) for the others. */
function byDefault(c: Cursor, among: readonly number[], out: (number | undefined)[]): void {
  const collation = packedInt(c);
  for (const column of among) out[column] = collation;
  while (c.at < c.end) {
    const column = among[packedInt(c)];
    if (column === undefined) throw corrupt("a character set is given to no column");
    out[column] = packedInt(c);
  }
}

function byColumn(c: Cursor, among: readonly number[], out: (number | undefined)[]): void {
  for (const column of among) out[column] = packedInt(c);
}

function columnNames(c: Cursor, count: number): string[] {
  const names: string[] = [];
  for (let i = 0; i < count; i++) {
    const length = packedInt(c);
    const at = take(c, length);
    names.push(c.bytes.utf8Slice(at, at + length));
  }
  return names;
}

function memberLists(
  c: Cursor,
  types: Uint8Array,
  type: number,
  out: (Uint8Array[] | undefined)[],
): void {
  for (let column = 0; column < types.length; column++) {
    if (types[column] !== type) continue;
    const list: Uint8Array[] = [];
    for (let left = packedInt(c); left > 0; left--) {
      const length = packedInt(c);
      const at = take(c, length);
      list.push(copyOf(c.bytes, at, at + length));
    }
    out[column] = list;
  }
}

/** Places of the key's columns; with prefixes each has the length of its prefix behind it. */
function keyColumns(c: Cursor, count: number, prefixes: boolean): number[] {
  const key: number[] = [];
  while (c.at < c.end) {
    const column = packedInt(c);
    if (column >= count) throw corrupt("a primary key names no column");
    key.push(column);
    if (prefixes) packedInt(c);
  }
  return key;
}
