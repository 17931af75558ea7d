import type { Flavor } from "../flavor.ts";
import { type Cursor, corrupt, packedInt, take, uint16, uint48 } from "./bytes.ts";
import { metaBytes, columnType as t } from "./column-type.ts";
import { mayHide } from "./mariadb-types.ts";
import { noMetadata, parseMetadata, type TableMetadata } from "./table-metadata.ts";

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
  /** What belongs to the type, first byte lowest: length, fraction digits, precision and scale. */
  readonly meta: readonly number[];
  /** One bit a column, least significant first. */
  readonly nullable: Uint8Array;
  readonly metadata: TableMetadata;
  /** Whether a column may be of a type of MariaDB that only the table's definition tells. */
  readonly hides?: boolean;
};

/**
 * The body of a TABLE_MAP event:
 *
 *     table-id:6 flags:2 length:1 db 0 length:1 table 0
 *     count:packed type:1*count  meta-length:packed meta  nullable:(count+7)/8  optional-metadata
 */
export function parseTableMap(c: Cursor, flavor: Flavor): TableMap {
  const b = c.bytes;
  const tableId = uint48(b, take(c, 6));
  take(c, 2);
  const db = name(c);
  const table = name(c);
  const columnCount = packedInt(c);
  // MySQL allows 4,096 columns; the bound only keeps a forged number from allocating.
  if (columnCount > 65_535) throw corrupt("a table has too many columns");
  const at = take(c, columnCount);
  const types = new Uint8Array(b.subarray(at, at + columnCount));
  const metaLength = packedInt(c);
  const metaAt = take(c, metaLength);
  const meta = parseMeta({ bytes: b, at: metaAt, end: metaAt + metaLength }, types);
  const nullBytes = (columnCount + 7) >> 3;
  const nullAt = take(c, nullBytes);
  const nullable = new Uint8Array(b.subarray(nullAt, nullAt + nullBytes));
  const metadata = c.at < c.end ? parseMetadata(c, types, flavor) : noMetadata;
  const { collations } = metadata;
  const hides =
    flavor === "mariadb" && meta.some((each, i) => mayHide(types[i]!, each, collations[i]));
  return { tableId, db, table, columnCount, types, meta, nullable, metadata, hides };
}

/** A name with its length before it and a zero byte behind it. Its length has one byte up to 250. */
function name(c: Cursor): string {
  const length = packedInt(c);
  const at = take(c, length + 1);
  return c.bytes.utf8Slice(at, at + length);
}

/** Reads the metadata of each column, and puts ENUM and SET in the place of STRING in `types`. */
function parseMeta(c: Cursor, types: Uint8Array): number[] {
  const meta = new Array<number>(types.length).fill(0);
  for (let i = 0; i < types.length; i++) {
    const type = types[i]!;
    const bytes = metaBytes(type);
    if (bytes === undefined) throw corrupt(`column type ${type} is unknown`);
    if (bytes === 0) continue;
    const at = take(c, bytes);
    meta[i] = bytes === 1 ? c.bytes[at]! : uint16(c.bytes, at);
    if (type !== t.string) continue;
    const real = c.bytes[at]!;
    if (real === t.enum || real === t.set) types[i] = real;
  }
  if (c.at !== c.end) throw corrupt("the column metadata of a table has a wrong length");
  return meta;
}

export function isNullable(map: TableMap, column: number): boolean {
  return (map.nullable[column >> 3]! & (1 << (column & 7))) !== 0;
}
