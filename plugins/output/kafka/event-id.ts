import { type Packet, recordOf, type Transaction } from "#plugin";

/** Names each packet by where it came from: the same for a packet that is delivered twice. */
export type EventIds = (packet: Packet) => string;

type Placed = { readonly lineage?: unknown; readonly file?: unknown; readonly pos?: unknown };

/**
 * A row is `gtid:n`, n rows of its transaction before it, or without GTIDs
 * `lineage:file:pos:n`, where file and pos are the start of the transaction and the lineage tells
 * one server's files from another's. A record of a log is `ident:partition:offset`, anything else
 * `ident:position`.
 */
export function createEventIds(): EventIds {
  let txn: Transaction | undefined;
  let prefix = "";

  function prefixOf(packet: Packet, gtid: string | undefined): string {
    if (gtid !== undefined) return `${gtid}:`;
    const { lineage = "", file = "", pos = "" } = spelled(packet) as Placed;
    return `${lineage}:${file}:${pos}:`;
  }

  return (packet) => {
    const { payload } = packet;
    if (payload.kind === "row") {
      if (payload.txn !== txn) {
        txn = payload.txn;
        prefix = prefixOf(packet, txn.gtid);
      }
      return prefix + payload.ordinal;
    }
    const { position } = packet;
    const { partition, offset } = recordOf(payload) ?? {};
    if (offset !== undefined) return `${packet.ident}:${partition}:${offset}`;
    const text = typeof position === "object" ? JSON.stringify(position) : position;
    return `${packet.ident}:${text}`;
  };
}

/** The position as an object, whatever it is. */
function spelled({ position }: Packet): object {
  if (typeof position !== "object") return {};
  const { toJSON } = position as { toJSON?: () => unknown };
  const value = typeof toJSON === "function" ? toJSON.call(position) : position;
  return typeof value === "object" && value !== null ? value : {};
}
