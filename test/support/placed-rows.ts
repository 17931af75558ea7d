import { RowPosition } from "#src/clients/mysql/binlog/position.ts";
import type { Packet, RowChange, Table } from "#src/flow/packet.ts";
import { type Note, notePacket, noteTable } from "./row-packets.ts";

export type Images = { readonly before?: Note; readonly after?: Note };

/** Rows of one table as a binlog has them, each behind the one before. */
export type PlacedRows = {
  readonly table: Table;
  /** The next row; `at` is when it was logged, in Unix seconds. */
  next(op: RowChange["op"], images: Images, at?: number): Packet;
};

/** A table `db.name` whose rows begin in that file of that server. */
export function placedRows(
  name: string,
  { lineage = "u1", file = "binlog.000001", db = "shop" } = {},
): PlacedRows {
  const table = noteTable(db, name);
  let pos = 157;
  return {
    table,
    next(op, images, at = 1_700_000_000) {
      const start = { lineage, file, pos, before: undefined, gtid: undefined };
      const packet = notePacket(table, op, images);
      const payload = { ...(packet.payload as RowChange), log: file, pos: pos + 100, ts: at };
      pos += 200;
      return { ...packet, payload, position: new RowPosition(start, 1, pos) };
    },
  };
}
