import { type Clock, DbusError, type Log, type Position } from "#plugin";
import { createKafkaConsumer, type KafkaDriver } from "#src/clients/kafka/drivers.ts";
import type {
  KafkaConnectionOptions,
  KafkaProducer,
  KafkaRecord,
  ReadRecord,
} from "#src/clients/kafka/port.ts";

/**
 * How far each partition of an input is, by transactional id: a record of one compacted topic, which
 * is written in the transaction of the packets up to there. The key is `ID/PARTITION`.
 */
export type Positions = {
  readonly topic: string;
  /** Makes the topic when it is missing and may be made. */
  ensure(): Promise<void>;
  /** What is committed. Waits for transactions that are open. */
  read(id: string): Promise<Kept>;
  /** null forgets it. */
  record(id: string, partition: string, position: Position | null): KafkaRecord;
  /** Says under which version of its assignment the id is used: the key is `ID/`. */
  owner(id: string, fence: number): KafkaRecord;
};

export type Kept = {
  /** By partition. */
  readonly marks: Map<string, Position>;
  /** The greatest version of the assignment that had the id; -1 before there was one. */
  readonly fence: number;
};

export type PositionsOptions = {
  readonly driver: KafkaDriver;
  readonly connection: KafkaConnectionOptions;
  readonly topic: string;
  /** How long another's transaction may be open. */
  readonly timeoutMs: number;
  readonly mayCreate: boolean;
  readonly replicationFactor: number;
  readonly producer: Pick<KafkaProducer, "partitionCount" | "createTopic">;
  readonly clock: Clock;
  readonly log: Log;
};

/**
 * What was written last is never compacted, so segments are small: a start reads a few MiB. There is
 * one partition, or a topic that grows would hide what is in the old ones.
 */
const topicConfigs = {
  "cleanup.policy": "compact",
  "segment.bytes": "2097152",
  "segment.ms": "600000",
  "min.cleanable.dirty.ratio": "0.1",
};
const partition = 0;
const pollMs = 1_000;

export function createPositions(options: PositionsOptions): Positions {
  const { driver, connection, topic, timeoutMs, producer, clock, log } = options;

  function consumer() {
    return createKafkaConsumer(driver, {
      ...connection,
      ...{ fetchBytesMax: 4 << 20, partitionBytesMax: 4 << 20, fetchWaitMs: 100 },
      ...{ pollRecordsMax: 10_000, batchBytesMax: 64 << 20 },
      uncommitted: false,
      onTrouble() {},
    });
  }

  /** Hands over every record that is committed, up to what had been written when it was asked. */
  async function readAll(each: (record: ReadRecord) => void): Promise<void> {
    const reader = consumer();
    try {
      const place = [{ topic, partition }];
      const end = (await reader.offsets(place, "written"))[0]?.offset ?? 0;
      let next = (await reader.offsets(place, "earliest"))[0]?.offset ?? 0;
      if (next >= end) return;
      reader.read([{ topic, partition, offset: next }]);
      const deadline = clock.now() + timeoutMs + connection.requestTimeoutMs;
      const never = new AbortController().signal;
      while (next < end) {
        const polled = await reader.poll(pollMs, never);
        if (polled?.error) throw polled.error;
        for (const record of polled?.records ?? []) each(record);
        next = polled?.next ?? next;
        if (polled || clock.now() < deadline) continue;
        const text = `${topic} cannot be read to its end: a transaction has been open for too long`;
        throw new DbusError("KAFKA_REQUEST_FAILED", text);
      }
    } finally {
      await reader.close();
    }
  }

  return {
    topic,
    async ensure() {
      try {
        const count = await producer.partitionCount(topic);
        if (count === 1) return;
        const text = `topic ${topic} has ${count} partitions, and one is needed`;
        throw new DbusError("KAFKA_TOPIC_INVALID", text);
      } catch (error) {
        const missing = error instanceof DbusError && error.code === "KAFKA_TOPIC_MISSING";
        if (!missing || !options.mayCreate) throw error;
      }
      const { replicationFactor } = options;
      await producer.createTopic({
        ...{ topic, partitions: 1, replicationFactor, configs: topicConfigs },
      });
      log.info("created a topic", { topic });
    },
    async read(id) {
      const marks = new Map<string, Position>();
      let fence = -1;
      await readAll(({ key, value }) => {
        const name = key === null ? "" : Buffer.from(key).toString();
        if (!name.startsWith(`${id}/`)) return;
        const of = name.slice(id.length + 1);
        if (of === "") fence = Math.max(fence, value === null ? -1 : fenceIn(value, name));
        else if (value === null) marks.delete(of);
        else marks.set(of, positionIn(value, name));
      });
      return { marks, fence };
    },
    record: (id, of, position) =>
      recordOf(`${id}/${of}`, position === null ? null : JSON.stringify({ position })),
    owner: (id, fence) => recordOf(`${id}/`, JSON.stringify({ fence })),
  };

  function recordOf(key: string, value: string | null): KafkaRecord {
    return { key, value, headers: [], timestamp: Math.floor(clock.wall()) };
  }
}

function positionIn(value: Uint8Array, name: string): Position {
  const { position } = parsed(value);
  if (position !== undefined && position !== null) return position as Position;
  throw unreadable(name);
}

function fenceIn(value: Uint8Array, name: string): number {
  const { fence } = parsed(value);
  if (typeof fence === "number") return fence;
  throw unreadable(name);
}

function parsed(value: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(Buffer.from(value).toString()) ?? {};
  } catch {
    return {};
  }
}

const unreadable = (name: string) =>
  new DbusError("CHECKPOINT_CORRUPT", `what Kafka keeps for ${name} is not readable`);
