import { DbusError } from "../../../errors.ts";
import type { Address, BrokerConnection } from "../broker-connection.ts";
import type { TopicPartition } from "../port.ts";
import { protocolError } from "./protocol-errors.ts";
import { type WireReader, wireReader } from "./wire-reader.ts";
import { wireWriter } from "./wire-writer.ts";

/*
 * Metadata Request (Version: 4 to 8) => [topics] allow_auto_topic_creation
 *   (since version 8) include_cluster_authorized_operations include_topic_authorized_operations
 * Metadata Request (Version: 12) => [topic_id name] allow_auto_topic_creation
 *   include_topic_authorized_operations
 * A null list asks for all topics.
 *
 * Metadata Response (Version: 4 to 8) => throttle_time_ms [brokers] cluster_id controller_id [topics]
 *   brokers => node_id host port rack
 *   topics => error_code name is_internal [partitions]
 *     partitions => error_code partition_index leader_id leader_epoch (since 7) [replica_nodes]
 *       [isr_nodes] [offline_replicas] (since 5)
 * Version 12 adds topic_id, writes lengths compactly and has tags behind every structure; its
 * header has tags too, which are empty in a request.
 */
const metadataKey = 3;
/** The first that is spelled as here, and knows topics by an id of their own. */
const withIds = 12;
const withoutIds = 8;

export type TopicMetadata = {
  /** Of the protocol; 0 where all is well. */
  readonly errorCode: number;
  /** Tells a topic from another one of the same name, before or after it; "" where not known. */
  readonly id: string;
  /** Kafka's own, such as __consumer_offsets. */
  readonly internal: boolean;
  /** The node id of each partition's leader, -1 without one. */
  readonly leaders: readonly number[];
  /** Of a partition without a leader the node ids of its replicas that are not to be had. */
  readonly offline: ReadonlyMap<number, readonly number[]>;
  /** What the user may do, a bit for each operation (KIP-430); undefined where it was not said. */
  readonly rights: number | undefined;
  /** How often the leadership of each partition was given anew; -1 where it is not told. */
  readonly epochs: readonly number[];
};

export type Metadata = {
  /** Tells a cluster from all others; "" where it does not say. */
  readonly clusterId: string;
  readonly brokers: ReadonlyMap<number, Address>;
  readonly controllerId: number;
  readonly topics: ReadonlyMap<string, TopicMetadata>;
};

/** Asks for the brokers and these topics, null for all. Never makes the broker create a topic. */
export async function fetchMetadata(
  connection: BrokerConnection,
  topics: readonly string[] | null,
  withRights = false,
): Promise<Metadata> {
  const newest = connection.version(metadataKey, 4, withIds);
  const apiVersion = newest === withIds ? withIds : Math.min(newest, withoutIds);
  return connection.send({
    apiKey: metadataKey,
    apiVersion,
    apiName: "Metadata",
    body:
      apiVersion === withIds
        ? flexibleRequest(topics, withRights)
        : plainRequest(topics, apiVersion, withRights),
    decode: (data) =>
      apiVersion === withIds ? flexibleAnswer(data) : plainAnswer(data, apiVersion),
  });
}

function plainRequest(
  topics: readonly string[] | null,
  version: number,
  withRights: boolean,
): Buffer {
  const writer = wireWriter();
  if (topics === null) writer.int32(-1);
  else writer.array(topics, (topic) => writer.string(topic));
  writer.int8(0);
  if (version >= 8) writer.int8(0).int8(withRights ? 1 : 0);
  return writer.done();
}

function flexibleRequest(topics: readonly string[] | null, withRights: boolean): Buffer {
  const writer = wireWriter().int8(0);
  writer.compactArray(topics, (topic) => {
    writer.int64(0).int64(0).compactString(topic).int8(0);
  });
  return writer
    .int8(0)
    .int8(withRights ? 1 : 0)
    .int8(0)
    .done();
}

function plainAnswer(data: Buffer, version: number): Metadata {
  const reader = wireReader(data);
  reader.int32();
  const brokers = reader.array(() => {
    const broker = [reader.int32(), { host: reader.string(), port: reader.int32() }] as const;
    reader.string();
    return broker;
  });
  const clusterId = reader.string();
  const controllerId = reader.int32();
  const topics = reader.array(() => {
    const errorCode = reader.int16();
    const name = reader.string();
    const internal = reader.bool();
    const partitions = reader.array(() => plainPartition(reader, version));
    const rights = version >= 8 ? rightsOf(reader.int32()) : undefined;
    return [name, { errorCode, id: "", internal, rights, ...leadership(partitions) }] as const;
  });
  return { clusterId, brokers: new Map(brokers), controllerId, topics: new Map(topics) };
}

function plainPartition(reader: WireReader, version: number): Led {
  reader.int16();
  const [index, leader] = [reader.int32(), reader.int32()];
  const led = { index, leader, epoch: version >= 7 ? reader.int32() : -1 };
  reader.array(reader.int32);
  reader.array(reader.int32);
  return { ...led, offline: version >= 5 ? reader.array(reader.int32) : [] };
}

function flexibleAnswer(data: Buffer): Metadata {
  const reader = wireReader(data);
  reader.tags();
  reader.int32();
  const brokers = reader.compactArray(() => {
    const id = reader.int32();
    const broker = [id, { host: reader.compactString(), port: reader.int32() }] as const;
    reader.compactString();
    reader.tags();
    return broker;
  });
  const clusterId = reader.compactString();
  const controllerId = reader.int32();
  const topics = reader.compactArray(() => {
    const errorCode = reader.int16();
    const name = reader.compactString();
    const id = reader.uuid();
    const internal = reader.bool();
    const partitions = reader.compactArray(() => flexiblePartition(reader));
    const rights = rightsOf(reader.int32());
    reader.tags();
    return [name, { errorCode, id, internal, rights, ...leadership(partitions) }] as const;
  });
  return { clusterId, brokers: new Map(brokers), controllerId, topics: new Map(topics) };
}

function flexiblePartition(reader: WireReader): Led {
  reader.int16();
  const led = { index: reader.int32(), leader: reader.int32(), epoch: reader.int32() };
  reader.compactArray(reader.int32);
  reader.compactArray(reader.int32);
  const offline = reader.compactArray(reader.int32);
  reader.tags();
  return { ...led, offline };
}

/** A broker that was not asked says the least number there is. */
const rightsOf = (bits: number): number | undefined => (bits < 0 ? undefined : bits);

type Led = {
  readonly index: number;
  readonly leader: number;
  readonly epoch: number;
  readonly offline: readonly number[];
};

function leadership(
  partitions: readonly Led[],
): Pick<TopicMetadata, "leaders" | "offline" | "epochs"> {
  const sorted = partitions.toSorted((a, b) => a.index - b.index);
  const without = sorted.filter(({ leader, offline }) => leader < 0 && offline.length > 0);
  return {
    leaders: sorted.map(({ leader }) => leader),
    epochs: sorted.map(({ epoch }) => epoch),
    offline: new Map(without.map(({ index, offline }) => [index, offline])),
  };
}

/** The node id of a partition's leader. Throws what stands against there being one. */
export function leaderOf(
  { topic, partition }: TopicPartition,
  metadata: TopicMetadata | undefined,
): number {
  const place = `${topic}/${partition}`;
  const { leaders, offline } = checkTopic(topic, metadata);
  const leader = leaders[partition];
  if (leader === undefined) throw protocolError(3, place);
  if (leader >= 0) return leader;
  const nodes = offline.get(partition);
  if (nodes === undefined) throw protocolError(5, place);
  const who = `${nodes.length > 1 ? "brokers" : "broker"} ${nodes.join(", ")}`;
  throw new DbusError("KAFKA_NOT_LEADER", `${place} has no leader: its log on ${who} is offline`, {
    remedy: `start ${who}; what runs has lost a disk, or it is full: make room, then restart it`,
  });
}

/** Throws what the broker says against a topic, if it does. */
export function checkTopic(topic: string, metadata: TopicMetadata | undefined): TopicMetadata {
  const code = metadata?.errorCode ?? 3;
  if (metadata && code === 0 && metadata.leaders.length > 0) return metadata;
  throw protocolError(code === 0 ? 3 : code, `topic ${topic}`);
}
