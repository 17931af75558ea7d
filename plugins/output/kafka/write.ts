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
  /** Told of packets that were not written because they have been there before. */
  readonly leftOut?: (packets: number) => void;
  /**
   * The records of packets that are to be written again. The producer must see the same objects,
   * or it could not tell a retry from something new.
   */
  kept: Map<Packet, Encoded>;
};

/** Under which fence the packet at that place is read. */
export type FenceAt = (index: number) => number | undefined;

export type Encoded = {
  readonly topic: string;
  /** How many the topic had when the records were placed. */
  readonly partitions: number;
  readonly records: readonly PlacedRecord[];
};

/** The records for one partition. */
type Slot = {
  readonly topic: string;
  readonly partition: number;
  readonly records: KafkaRecord[];
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
  KAFKA_TRANSACTION_REFUSED: 30_000,
  KAFKA_FENCED: 1_000,
  KAFKA_LOOP: 30_000,
};

export const isRefusal = ({ code }: DbusError): boolean => refusals.has(code);

/** How long it is worth to wait before what failed with this is tried again. */
export const patienceOf = ({ code }: DbusError): number => patienceMs[code] ?? 0;

/**
 * Writes packets and says of each what became of it. A packet waits when one of its records does,
 * and so does every later packet that has a record in the partition of a waiting record: given again
 * in order, they are written in order (invariant 3). A record that was written is not written again
 * when its packet waits for another one, as an update that moves a row to another key has two.
 */
export async function writePackets(
  writer: Writer,
  packets: readonly Packet[],
  fenceAt: FenceAt,
): Promise<readonly Verdict[] | undefined> {
  const errors: (DbusError | undefined)[] = new Array(packets.length).fill(undefined);
  const encoded =
    encodeAll(writer, packets, fenceAt, errors) ??
    (await encodeUnknown(writer, packets, fenceAt, errors));
  countLeftOut(writer, encoded);
  const slots = slotsOf(encoded);
  const results = await writer.producer.produce([...slots.values()]);
  writer.encoder.turn();
  const failed = failuresOf(slots.values(), results);
  const keptBefore = writer.kept;
  if (keptBefore.size > 0) writer.kept = new Map();
  if (failed.size === 0 && errors.every((error) => error === undefined)) return undefined;
  return verdictsOf(writer, packets, encoded, { errors, failed, keptBefore });
}

/** The packets as records of their topics; those that cannot be have their error in `errors`. */
export async function encodePackets(
  writer: Writer,
  packets: readonly Packet[],
  fenceAt: FenceAt,
  errors: (DbusError | undefined)[],
): Promise<readonly (Encoded | undefined)[]> {
  const known = encodeAll(writer, packets, fenceAt, errors);
  const encoded = known ?? (await encodeUnknown(writer, packets, fenceAt, errors));
  countLeftOut(writer, encoded);
  return encoded;
}

/** Those that have no record, since they have been in this cluster before. */
function countLeftOut(writer: Writer, encoded: readonly (Encoded | undefined)[]): void {
  if (!writer.leftOut) return;
  const empty = encoded.filter((one) => one?.records.length === 0).length;
  if (empty > 0) writer.leftOut(empty);
}

/** Undefined when a topic is not known yet, which is rare: the usual case does not wait. */
function encodeAll(
  writer: Writer,
  packets: readonly Packet[],
  fenceAt: FenceAt,
  errors: (DbusError | undefined)[],
): (Encoded | undefined)[] | undefined {
  const encoded: (Encoded | undefined)[] = [];
  for (let i = 0; i < packets.length; i++) {
    const packet = packets[i] as Packet;
    try {
      const topic = writer.names(packet);
      const partitions = writer.topics.partitions(topic, writer.encoder.needs(packet));
      if (partitions === undefined) return undefined;
      encoded.push(encodeOne(writer, packet, { topic, partitions, fence: fenceAt(i) }));
    } catch (error) {
      encoded.push(undefined);
      errors[i] = toDbusError(error);
    }
  }
  return encoded;
}

type Place = Pick<Encoded, "topic" | "partitions"> & { readonly fence: number | undefined };

function encodeOne(writer: Writer, packet: Packet, { topic, partitions, fence }: Place): Encoded {
  const kept = writer.kept.size > 0 ? writer.kept.get(packet) : undefined;
  // A topic that was deleted may come back with other partitions.
  if (kept?.partitions === partitions) return kept;
  return { topic, partitions, records: writer.encoder.encode(packet, partitions, fence) };
}

async function encodeUnknown(
  writer: Writer,
  packets: readonly Packet[],
  fenceAt: FenceAt,
  errors: (DbusError | undefined)[],
): Promise<(Encoded | undefined)[]> {
  const unknown = new Map<string, number>();
  for (const packet of packets) {
    try {
      const topic = writer.names(packet);
      const needed = writer.encoder.needs(packet);
      if (writer.topics.partitions(topic, needed) === undefined) {
        unknown.set(topic, Math.max(needed, unknown.get(topic) ?? 0));
      }
    } catch {
      // The packet gets its error below, when its turn comes.
    }
  }
  const failures = await writer.topics.learn(unknown);
  return packets.map((packet, i) => {
    errors[i] = undefined;
    try {
      const topic = writer.names(packet);
      const partitions = writer.topics.partitions(topic, writer.encoder.needs(packet));
      if (partitions !== undefined) {
        return encodeOne(writer, packet, { topic, partitions, fence: fenceAt(i) });
      }
      errors[i] = failures.get(topic) ?? new DbusError("KAFKA_TOPIC_MISSING", `topic ${topic}`);
    } catch (error) {
      errors[i] = toDbusError(error);
    }
    return undefined;
  });
}

export function slotsOf(encoded: readonly (Encoded | undefined)[]): Map<string, Slot> {
  const slots = new Map<string, Slot>();
  const ofTopic = new Map<string, Slot[]>();
  for (const one of encoded) {
    if (!one) continue;
    let ofPartition = ofTopic.get(one.topic);
    if (!ofPartition) {
      ofPartition = [];
      ofTopic.set(one.topic, ofPartition);
    }
    for (const { partition, record } of one.records) {
      let slot = ofPartition[partition];
      if (!slot) {
        slot = { topic: one.topic, partition, records: [] };
        ofPartition[partition] = slot;
        slots.set(`${one.topic}/${partition}`, slot);
      }
      slot.records.push(record);
    }
  }
  return slots;
}

/** The records that were not written, each with its reason. */
export function failuresOf(
  slots: Iterable<Slot>,
  results: readonly PartitionResult[],
): Map<KafkaRecord, DbusError> {
  const failed = new Map<KafkaRecord, DbusError>();
  let at = 0;
  for (const { records } of slots) {
    const result = results[at++] as PartitionResult;
    for (let i = 0; i < result.length; i++) {
      const error = result[i];
      if (error) failed.set(records[i] as KafkaRecord, error);
    }
  }
  return failed;
}

type Failures = {
  /** Of packets that have no records. */
  readonly errors: readonly (DbusError | undefined)[];
  readonly failed: ReadonlyMap<KafkaRecord, DbusError>;
  readonly keptBefore: ReadonlyMap<Packet, Encoded>;
};

function verdictsOf(
  writer: Writer,
  packets: readonly Packet[],
  encoded: readonly (Encoded | undefined)[],
  { errors, failed, keptBefore }: Failures,
): readonly Verdict[] {
  /** Partitions with a record that waits: what follows there must not overtake it. */
  const waiting = new Map<string, DbusError>();
  return packets.map((packet, i) => {
    const one = encoded[i];
    let [wait, refusal] = sorted(errors[i]);
    const left = one?.records.filter(({ partition, record }) => {
      const place = `${one.topic}/${partition}`;
      const [own, refused] = sorted(failed.get(record));
      const error = own ?? waiting.get(place);
      if (error) waiting.set(place, error);
      wait ??= error;
      refusal ??= refused;
      return error !== undefined || refused !== undefined;
    });
    if (!wait) return refusal ? { failed: refusal } : "done";
    // A broker that has just come back does not know its topics yet, so they are kept then too.
    const kept = one && left ? { ...one, records: left } : keptBefore.get(packet);
    if (kept) writer.kept.set(packet, kept);
    if (kept && wait.code === "KAFKA_TOPIC_MISSING") writer.topics.forget(kept.topic);
    return { retryAfterMs: patienceOf(wait), error: wait };
  });
}

/** An error as what passes by itself, or as what refuses the packet for good. */
function sorted(
  error: DbusError | undefined,
): [wait: DbusError | undefined, refusal: DbusError | undefined] {
  return error && isRefusal(error) ? [undefined, error] : [error, undefined];
}
