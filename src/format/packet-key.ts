import { type Packet, type RowChange, recordOf, type Table } from "../flow/packet.ts";
import { plainEncoder } from "./json-value.ts";
import { compileKey, type KeyEncoder } from "./key.ts";

/**
 * What makes packets belong together: table and key of a row, the key of a record, the whole of
 * what has no key. A row whose key changed counts to its new one.
 */
export type PacketKeys = { keyOf(packet: Packet): string };

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

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
      if (payload.kind === "row") return rowKey(payload);
      // Whatever its value was made into: the tombstone of a key belongs to its documents.
      const key = recordOf(payload)?.key;
      if (key) return base64(key);
      switch (payload.kind) {
        case "text":
          return payload.text;
        case "document":
          return payload.json;
        case "bytes":
          return base64(payload.value ?? new Uint8Array());
      }
    },
  };
}
