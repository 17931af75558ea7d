import { DbusError } from "#src/errors.ts";
import type { Packet } from "#src/flow/packet.ts";

/**
 * What a filter gives as an array is in memory before the bus has seen it, and outside of every
 * credit until it is sent on. A generator is asked for the next packet when there is room for it.
 */
const packetsMax = 10_000;
const bytesMax = 32 * 2 ** 20;

/** Why an array is more than may be held; undefined when it is not. One packet always may be. */
export function refusalOf(packets: readonly Packet[]): DbusError | undefined {
  let bytes = 0;
  for (const packet of packets) bytes += packet.bytes;
  if (packets.length <= 1 || (packets.length <= packetsMax && bytes <= bytesMax)) return undefined;
  const message = `an array of ${packets.length} packets, ${bytes} bytes, out of one`;
  return new DbusError("FILTER_TOO_MANY", message);
}
