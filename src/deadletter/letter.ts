import type { DbusError } from "../errors.ts";
import type { Packet } from "../flow/packet.ts";
import type { Partition } from "../flow/partition.ts";
import type { NewDeadLetter } from "./store.ts";

/** What is kept of a packet that `node` refused for good. */
export function deadLetter(
  node: string,
  partition: Partition,
  packet: Packet,
  error: DbusError,
  crash?: { readonly crashes: number; readonly firstAt: number },
): NewDeadLetter {
  return {
    node,
    input: partition.input,
    resource: partition.resource,
    partition: partition.name,
    ident: packet.ident,
    position: JSON.stringify(packet.position),
    code: error.code,
    reason: error.message,
    crashes: crash?.crashes ?? 0,
    crashedAt: crash?.firstAt ?? null,
    packet,
  };
}
