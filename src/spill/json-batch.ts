import { untaggedValue } from "../deadletter/packet-codec.ts";
import { DbusError } from "../errors.ts";
import type { Packet, Table, Transaction } from "../flow/packet.ts";
import type { SpillBatch, TableOf } from "./spill-batch.ts";

/**
 * Reads the body of a record as dbus wrote it before `spill-codec.ts` did, JSON of
 *
 *     {"o": [input, resource, partition], "t": [tables], "x": [transactions], "p": [packets]}
 *
 * where rows name their table and transaction by their place in these lists, and values are tagged
 * as in `packet-codec.ts`.
 */
export function readJsonBatch(body: Uint8Array, tableOf: TableOf): SpillBatch {
  const { o, t, x, p } = JSON.parse(new TextDecoder().decode(body));
  const tables = (t as unknown[]).map((one) => tableOf(JSON.stringify(one)));
  const transactions = (x as unknown[]).map((one) => untaggedValue(one) as Transaction);
  const [input, resource, name] = o as string[];
  const packets = (p as unknown[]).map((one) => packetOf(one, tables, transactions));
  const origin = { input: `${input}`, resource: `${resource}`, name: `${name}` };
  return { origin, packets, at: null };
}

function packetOf(
  coded: unknown,
  tables: readonly Table[],
  transactions: readonly Transaction[],
): Packet {
  const packet = untaggedValue(coded) as Packet;
  const payload = packet.payload as unknown as { kind: string; table: number; txn: number };
  if (payload.kind !== "row") return packet;
  const table = tables[payload.table];
  const txn = transactions[payload.txn];
  if (!table || !txn) throw new DbusError("SPILL_DAMAGED", "a row names no table");
  return { ...packet, payload: { ...(payload as object), table, txn } as Packet["payload"] };
}
