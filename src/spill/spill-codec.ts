import { jsonOf, taggedValue, untaggedValue } from "../deadletter/packet-codec.ts";
import { DbusError } from "../errors.ts";
import type { Packet, Table, Transaction } from "../flow/packet.ts";

/** Where packets came from, as dead letters name it. */
export type Origin = { readonly input: string; readonly resource: string; readonly name: string };

export type SpillBatch = { readonly origin: Origin; readonly packets: readonly Packet[] };

/**
 * Packets of one partition as the body of a record: JSON of
 *
 *     {"o": [input, resource, partition], "t": [tables], "x": [transactions], "p": [packets]}
 *
 * where rows name their table and transaction by their place in these lists, and values are tagged
 * as in `packet-codec.ts`, so that nothing is lost.
 */
export function encodeBatch({ origin, packets }: SpillBatch): Uint8Array {
  const tables: Table[] = [];
  const transactions: Transaction[] = [];
  const coded = packets.map(({ ident, payload, position, bytes }) => {
    const body =
      payload.kind === "row"
        ? {
            ...payload,
            table: placeIn(tables, payload.table),
            txn: placeIn(transactions, payload.txn),
          }
        : payload;
    return taggedValue({ ident, payload: body, bytes, position: jsonOf(position) });
  });
  const o = [origin.input, origin.resource, origin.name];
  const [t, x] = [taggedValue(tables), taggedValue(transactions)];
  return new TextEncoder().encode(JSON.stringify({ o, t, x, p: coded }));
}

function placeIn<T>(list: T[], one: T): number {
  const last = list.lastIndexOf(one);
  return last >= 0 ? last : list.push(one) - 1;
}

/** Tables that are known by their text, so that a table is one object again for all its rows. */
const TABLES_MAX = 1_000;

/** Reads bodies; what is equal in two of them becomes one table. Throws `SPILL_DAMAGED`. */
export function createBatchDecoder(): (body: Uint8Array) => SpillBatch {
  const known = new Map<string, Table>();

  function tableOf(value: unknown): Table {
    const text = JSON.stringify(value);
    let table = known.get(text);
    if (!table) {
      table = untaggedValue(value) as Table;
      if (known.size >= TABLES_MAX) known.clear();
      known.set(text, table);
    }
    return table;
  }

  return (body) => {
    try {
      const { o, t, x, p } = JSON.parse(new TextDecoder().decode(body));
      const tables = (t as unknown[]).map(tableOf);
      const transactions = (x as unknown[]).map((one) => untaggedValue(one) as Transaction);
      const [input, resource, name] = o as string[];
      const packets = (p as unknown[]).map((one) => packetOf(one, tables, transactions));
      return { origin: { input: `${input}`, resource: `${resource}`, name: `${name}` }, packets };
    } catch (error) {
      throw new DbusError("SPILL_DAMAGED", "a record of a buffer cannot be read", { cause: error });
    }
  };
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
