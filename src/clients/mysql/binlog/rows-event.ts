import { type Cursor, copyOf, corrupt, packedInt, take, uint16, uint48 } from "./bytes.ts";
import type { BinlogEvent, EventHeader } from "./event.ts";
import { eventType as t } from "./event-type.ts";
import type { TableMap } from "./table-map.ts";

export type RowsShape = {
  readonly op: "I" | "U" | "D";
  readonly version: 1 | 2;
  readonly compressed: boolean;
};

/** The row events of both servers, by the type in their header. */
export const rowsShapes: Readonly<Record<number, RowsShape>> = {
  [t.writeRowsV1]: { op: "I", version: 1, compressed: false },
  [t.updateRowsV1]: { op: "U", version: 1, compressed: false },
  [t.deleteRowsV1]: { op: "D", version: 1, compressed: false },
  [t.writeRows]: { op: "I", version: 2, compressed: false },
  [t.updateRows]: { op: "U", version: 2, compressed: false },
  [t.deleteRows]: { op: "D", version: 2, compressed: false },
  [t.writeRowsCompressedV1]: { op: "I", version: 1, compressed: true },
  [t.updateRowsCompressedV1]: { op: "U", version: 1, compressed: true },
  [t.deleteRowsCompressedV1]: { op: "D", version: 1, compressed: true },
  [t.writeRowsCompressed]: { op: "I", version: 2, compressed: true },
  [t.updateRowsCompressed]: { op: "U", version: 2, compressed: true },
  [t.deleteRowsCompressed]: { op: "D", version: 2, compressed: true },
};

/** An event without a table and without rows, which only says that a statement ends. */
const dummyTableId = 0xffffff;

/**
 * WRITE, UPDATE and DELETE_ROWS. Version 2 has extra data, its length counting itself:
 *
 *     table-id:6 flags:2 [extra-length:2 extra]  count:packed present:(count+7)/8
 *     [present-after:(count+7)/8 for an update]  images
 */
export function parseRows(
  c: Cursor,
  header: EventHeader,
  shape: RowsShape,
  tableOf: (tableId: number) => TableMap | undefined,
  inflate: (packed: Buffer) => Buffer,
): BinlogEvent {
  const b = c.bytes;
  const tableId = uint48(b, take(c, 8));
  if (shape.version === 2) {
    const extra = uint16(b, take(c, 2));
    if (extra < 2) throw corrupt("the extra data of a row event have a wrong length");
    take(c, extra - 2);
  }
  const count = packedInt(c);
  const map = tableOf(tableId);
  if (map === undefined) {
    if (tableId === dummyTableId) return { kind: "ignorable", header };
    throw corrupt("rows of a table that no TABLE_MAP has announced");
  }
  if (count !== map.columnCount) throw corrupt("rows have another column count than their table");
  const presentBefore = bitmap(c, count);
  const presentAfter = shape.op === "U" ? bitmap(c, count) : presentBefore;
  const bytes = shape.compressed ? inflate(b.subarray(c.at, c.end)) : b;
  const start = shape.compressed ? 0 : c.at;
  const end = shape.compressed ? bytes.length : c.end;
  const { op } = shape;
  return { kind: "rows", header, op, map, presentBefore, presentAfter, bytes, start, end };
}

/** The bitmap, or null when all its bits are set, which they nearly always are. */
function bitmap(c: Cursor, count: number): Uint8Array | null {
  const length = (count + 7) >> 3;
  const at = take(c, length);
  const rest = count & 7;
  for (let i = 0; i < length; i++) {
    const all = i === length - 1 && rest > 0 ? (1 << rest) - 1 : 255;
    if ((c.bytes[at + i]! & all) !== all) return copyOf(c.bytes, at, at + length);
  }
  return null;
}
