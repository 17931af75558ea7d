import { DbusError, type ErrorCode, type Packet, toDbusError, type Verdict } from "#plugin";
import type { KafkaProducer, KafkaRecord, PartitionResult } from "#src/clients/kafka/port.ts";
import type { PacketEncoder, PlacedRecord } from "./packet-encoder.ts";
import type { TopicNames } from "./topic-names.ts";
import type { Topics } from "./topics.ts";

export type Writer = {
  readonly names: TopicNames;
  readonly topics: Topics;
  readonly encoder: PacketEncoder;
  readonly producer: Pick<KafkaProducer, "produce">;
  /**
   * The records of packets that are to be written again. The producer must see the same objects,
   * or it could not tell a retry from something new.
   */
  kept: Map<Packet, Encoded>;
};

type Encoded = {
  readonly topic: string;
  /** How many the topic had when the records were placed. */
  readonly partitions: number;
  readonly records: readonly PlacedRecord[];
};

/** The records for one partition, and for each the index of the packet that it comes from. */
type Slot = {
  readonly topic: string;
  readonly partition: number;
  readonly records: KafkaRecord[];
  readonly owners: number[];
};

/** These concern one packet; whatever else goes wrong is tried again until it goes right. */
const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "KAFKA_RECORD_TOO_LARGE",
  "KAFKA_RECORD_REJECTED",
  "KAFKA_TOPIC_INVALID",
  "KAFKA_TOPIC_COLLISION",
  "FORMAT_KEY_MISSING",
  "FORMAT_VALUE",
]);

/** Somebody has to do something first, so there is no hurry. */
const patienceMs: Partial<Record<ErrorCode, number>> = {
  KAFKA_TOPIC_MISSING: 2_000,
  KAFKA_TOPIC_DENIED: 10_000,
  KAFKA_AUTH: 30_000,
  KAFKA_TLS: 30_000,
  KAFKA_UNSUPPORTED: 30_000,
};

function verdictOf(error: DbusError): Verdict {
  if (refusals.has(error.code)) return { failed: error };
  return { retryAfterMs: patienceMs[error.code] ?? 0, error };
}

/**
 * Writes packets and says of each what became of it. A packet waits when one of its records does,
 * and so does every later packet that has a record in a partition of a waiting one: given again in
 * order, they are written in order (invariant 3).
 */
export async function writePackets(
  writer: Writer,
  packets: readonly Packet[],
): Promise<readonly Verdict[] | undefined> {
  const errors: (DbusError | undefined)[] = new Array(packets.length).fill(undefined);
  const encoded =
    encodeAll(writer, packets, errors) ?? (await encodeUnknown(writer, packets, errors));
  const slots = slotsOf(encoded);
  const results = await writer.producer.produce([...slots.values()]);
  writer.encoder.turn();
  let clean = errors.every((error) => error === undefined);
  let at = 0;
  for (const slot of slots.values()) {
    if (!blame(slot, results[at++] as PartitionResult, errors)) clean = false;
  }
  const before = writer.kept;
  if (before.size > 0) writer.kept = new Map();
  return clean ? undefined : verdictsOf(writer, packets, encoded, errors, before);
}

/** Undefined when a topic is not known yet, which is rare: the usual case does not wait. */
function encodeAll(
  writer: Writer,
  packets: readonly Packet[],
  errors: (DbusError | undefined)[],
): (Encoded | undefined)[] | undefined {
  const encoded: (Encoded | undefined)[] = [];
  for (let i = 0; i < packets.length; i++) {
    const packet = packets[i] as Packet;
    try {
      const topic = writer.names(packet);
      const partitions = writer.topics.partitions(topic);
      if (partitions === undefined) return undefined;
      encoded.push(encodeOne(writer, packet, topic, partitions));
    } catch (error) {
      encoded.push(undefined);
      errors[i] = toDbusError(error);
    }
  }
  return encoded;
}

function encodeOne(writer: Writer, packet: Packet, topic: string, partitions: number): Encoded {
  const kept = writer.kept.size > 0 ? writer.kept.get(packet) : undefined;
  // A topic that was deleted may come back with other partitions.
  if (kept?.partitions === partitions) return kept;
  return { topic, partitions, records: writer.encoder.encode(packet, partitions) };
}

async function encodeUnknown(
  writer: Writer,
  packets: readonly Packet[],
  errors: (DbusError | undefined)[],
): Promise<(Encoded | undefined)[]> {
  const unknown = new Set<string>();
  for (const packet of packets) {
    try {
      const topic = writer.names(packet);
      if (writer.topics.partitions(topic) === undefined) unknown.add(topic);
    } catch {
      // The packet gets its error below, when its turn comes.
    }
  }
  const failures = await writer.topics.learn(unknown);
  return packets.map((packet, i) => {
    errors[i] = undefined;
    try {
      const topic = writer.names(packet);
      const partitions = writer.topics.partitions(topic);
      if (partitions !== undefined) return encodeOne(writer, packet, topic, partitions);
      errors[i] = failures.get(topic) ?? new DbusError("KAFKA_TOPIC_MISSING", `topic ${topic}`);
    } catch (error) {
      errors[i] = toDbusError(error);
    }
    return undefined;
  });
}

function slotsOf(encoded: readonly (Encoded | undefined)[]): Map<string, Slot> {
  const slots = new Map<string, Slot>();
  const ofTopic = new Map<string, Slot[]>();
  for (let owner = 0; owner < encoded.length; owner++) {
    const one = encoded[owner];
    if (!one) continue;
    let ofPartition = ofTopic.get(one.topic);
    if (!ofPartition) {
      ofPartition = [];
      ofTopic.set(one.topic, ofPartition);
    }
    for (const { partition, record } of one.records) {
      let slot = ofPartition[partition];
      if (!slot) {
        slot = { topic: one.topic, partition, records: [], owners: [] };
        ofPartition[partition] = slot;
        slots.set(`${one.topic}/${partition}`, slot);
      }
      slot.records.push(record);
      slot.owners.push(owner);
    }
  }
  return slots;
}

/** Hands each record's error to its packet; a wait outweighs a refusal. False if there was one. */
function blame(slot: Slot, result: PartitionResult, errors: (DbusError | undefined)[]): boolean {
  let clean = true;
  for (let i = 0; i < result.length; i++) {
    const error = result[i];
    if (!error) continue;
    clean = false;
    const owner = slot.owners[i] as number;
    const known = errors[owner];
    if (!known || refusals.has(known.code)) errors[owner] = error;
  }
  return clean;
}

function verdictsOf(
  writer: Writer,
  packets: readonly Packet[],
  encoded: readonly (Encoded | undefined)[],
  errors: readonly (DbusError | undefined)[],
  keptBefore: ReadonlyMap<Packet, Encoded>,
): readonly Verdict[] {
  const waiting = new Map<string, DbusError>();
  return packets.map((packet, i) => {
    const one = encoded[i];
    const places = one ? one.records.map(({ partition }) => `${one.topic}/${partition}`) : [];
    const own = errors[i];
    const before = places.map((place) => waiting.get(place)).find((error) => error !== undefined);
    const error = own && !refusals.has(own.code) ? own : (before ?? own);
    if (!error) return "done";
    if (!refusals.has(error.code)) {
      for (const place of places) waiting.set(place, error);
      // A broker that has just come back does not know its topics yet, so they are kept then too.
      const kept = one ?? keptBefore.get(packet);
      if (kept) writer.kept.set(packet, kept);
      if (kept && error.code === "KAFKA_TOPIC_MISSING") writer.topics.forget(kept.topic);
    }
    return verdictOf(error);
  });
}
