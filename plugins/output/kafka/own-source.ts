import { DbusError, type Packet, type SourceRange } from "#plugin";
import type { TopicNames } from "./topic-names.ts";

/**
 * What is wrong when records are on their way to the topic that they were read from: each of them
 * would be read again, for ever. Of each partition in the batch one packet is looked at. A record
 * that a filter has made something else of may be meant to go there, and comes back as what it is.
 */
export function ownSource(
  packets: readonly Packet[],
  sources: readonly SourceRange[],
  { names, cluster }: { readonly names: TopicNames; readonly cluster: string },
): DbusError | undefined {
  for (const { input, partition, from } of sources) {
    const packet = packets[from];
    if (packet?.payload.kind !== "bytes" || packet.payload.cluster !== cluster) continue;
    // Partitions of KafkaInput are called topic/number.
    const read = partition.slice(0, partition.lastIndexOf("/"));
    if (topicOf(names, packet) !== read) continue;
    return new DbusError("KAFKA_LOOP", `${input} reads topic ${read} of the same cluster`);
  }
  return undefined;
}

/** Undefined for a packet that has none; it is told so when its turn comes. */
function topicOf(names: TopicNames, packet: Packet): string | undefined {
  try {
    return names(packet);
  } catch {
    return undefined;
  }
}
