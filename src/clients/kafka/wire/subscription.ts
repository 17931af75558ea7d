import type { TopicPartition } from "../port.ts";
import { type WireReader, wireReader } from "./wire-reader.ts";
import { wireWriter } from "./wire-writer.ts";

/*
 * What members of a group of consumers tell one another, in the form of the Java client:
 *
 * ConsumerProtocolSubscription (Version: 1) => version INT16 [topics] user_data BYTES
 *   [owned_partitions] => topic [partition]
 * ConsumerProtocolAssignment (Version: 1) => version INT16 [topic [partition]] user_data BYTES
 */
export type Subscription = {
  readonly topics: readonly string[];
  readonly owned: readonly TopicPartition[];
};

export function encodeSubscription({ topics, owned }: Subscription): Buffer {
  const writer = wireWriter().int16(1);
  writer.array(topics, (topic) => writer.string(topic)).bytes(null);
  return writer.byTopic(owned, ({ partition }) => writer.int32(partition)).done();
}

export function decodeSubscription(data: Buffer): Subscription {
  const reader = wireReader(data);
  const version = reader.int16();
  const topics = reader.array(reader.string);
  reader.bytes();
  return { topics, owned: version >= 1 ? partitions(reader) : [] };
}

export function encodeAssignment(assigned: readonly TopicPartition[]): Buffer {
  const writer = wireWriter().int16(1);
  return writer
    .byTopic(assigned, ({ partition }) => writer.int32(partition))
    .bytes(null)
    .done();
}

/** An empty one says that there is nothing for this member. */
export function decodeAssignment(data: Buffer): readonly TopicPartition[] {
  if (data.length === 0) return [];
  const reader = wireReader(data);
  reader.int16();
  return partitions(reader);
}

function partitions(reader: WireReader): TopicPartition[] {
  return reader.byTopic((topic) => ({ topic, partition: reader.int32() }));
}
