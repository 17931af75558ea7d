import type { Packet, RowChange, Table } from "#src/flow/packet.ts";

/** A table `db.name (id int primary key, note text)`. */
export function noteTable(db: string, name: string): Table {
  return {
    db,
    name,
    columns: [
      { name: "id", kind: "int", type: "int", nullable: false },
      { name: "note", kind: "text", type: "text", nullable: true },
    ],
    primaryKey: [0],
  };
}

export type Note = readonly [id: number, note: string | null];

/** A row change of such a table; `ordinal` makes its event id. */
export function notePacket(
  table: Table,
  op: RowChange["op"],
  images: { readonly before?: Note; readonly after?: Note },
  ordinal = 0,
): Packet {
  const payload: RowChange = {
    kind: "row",
    op,
    table,
    before: images.before,
    after: images.after,
    txn: { gtid: "3e11fa47-71ca-11e1-9e33-c80aa9429562:23", serverId: 1 },
    ordinal,
    log: "binlog.000001",
    pos: 157,
    ts: 1_700_000_000,
  };
  return { ident: table.db, payload, position: ordinal, bytes: 64 };
}
