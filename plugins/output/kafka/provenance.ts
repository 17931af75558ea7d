import { type Packet, recordOf } from "#plugin";
import type { KafkaHeader } from "#src/clients/kafka/port.ts";

/**
 * As HTTP has it for proxies (RFC 9110, Via): a record carries the ids of the clusters that it has
 * left, one header each, so that no chain of mirrors brings it back to where it has been.
 */
const name = "dbus-via";

/** Whether the record of a packet was in that cluster before it came to the one it was read from. */
export function hasBeenIn({ payload }: Packet, cluster: string): boolean {
  for (const [header, value] of recordOf(payload)?.headers ?? []) {
    if (header === name && value !== null && textOf(value) === cluster) return true;
  }
  return false;
}

/** What a record gets that leaves the cluster it was read from; a copy within one gets nothing. */
export function viaHeader({ payload }: Packet, cluster: string): KafkaHeader | undefined {
  const from = recordOf(payload)?.cluster;
  return from === undefined || from === cluster ? undefined : [name, from];
}

const textOf = (value: string | Uint8Array): string =>
  typeof value === "string" ? value : new TextDecoder().decode(value);
