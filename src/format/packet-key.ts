import type { Packet, RowChange, Table } from "../flow/packet.ts";
import { plainEncoder } from "./json-value.ts";
import { compileKey, type KeyEncoder } from "./key.ts";

/**
 * What makes packets belong together: table and key of a row, the key of a record, the whole of
 * what has no key. A row whose key changed counts to its new one.
 */
export type PacketKeys = { keyOf(packet: Packet): string };

export function createPacketKeys(): PacketKeys {
  const encoders = new WeakMap<Table, KeyEncoder>();
  function rowKey(row: RowChange): string {
    const { table } = row;
    let encoder = encoders.get(table);
    if (!encoder) {
      const values = table.columns.map((column) => plainEncoder(column, "string"));
      encoder = compileKey(table, { columns: {}, keyless: "none" }, values);
      encoders.set(table, encoder);
    }
    const name = JSON.stringify([table.db, table.name]);
    return `${name} ${encoder.current(row) ?? `${row.log}:${row.pos}:${row.ordinal}`}`;
  }
  return {
    keyOf({ payload }) {
      switch (payload.kind) {
        case "row":
          return rowKey(payload);
        case "text":
          return payload.text;
        case "document":
          return payload.json;
        case "bytes":
          return Buffer.from(payload.key ?? payload.value ?? []).toString("base64");
      }
    },
  };
}
