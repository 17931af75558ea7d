import { type Packet, type RowChange, recordOf, type Table } from "../flow/packet.ts";
import { plainEncoder } from "../format/json-value.ts";
import { compileKey, type KeyEncoder } from "../format/key.ts";

const encoders = new WeakMap<Table, KeyEncoder>();

/**
 * The keys within which a packet has its order: two for a row whose key was changed. Undefined where
 * there is none to be known: then it has its order among all packets of its partition.
 */
export function keysOf({ payload }: Packet): readonly string[] | undefined {
  try {
    if (payload.kind === "row") return rowKeys(payload);
    const key = recordOf(payload)?.key ?? null;
    return key === null ? undefined : [Buffer.from(key).toString("base64")];
  } catch {
    // A row image without its key.
    return undefined;
  }
}

function rowKeys(row: RowChange): readonly string[] | undefined {
  const { table } = row;
  let key = encoders.get(table);
  if (!key) {
    const values = table.columns.map((column) => plainEncoder(column, "string"));
    key = compileKey(table, { columns: {}, keyless: "none" }, values);
    encoders.set(table, key);
  }
  const current = key.current(row);
  if (current === null) return undefined;
  const former = key.former(row);
  const named = (one: string) => `${table.db}.${table.name} ${one}`;
  return former === null ? [named(current)] : [named(current), named(former)];
}
