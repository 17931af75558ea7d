import { CompressionCodecs, CompressionTypes, Kafka, type KafkaMessage, logLevel } from "kafkajs";
import { waitFor } from "./wait-for.ts";

// kafkajs leaves zstd to whoever wants it.
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => Bun.zstdCompress(buffer),
  decompress: (buffer: Buffer) => Bun.zstdDecompress(buffer),
});

/** A record as a consumer of the topic sees it. */
export type TopicRecord = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: KafkaMessage["headers"];
  /** Unix milliseconds that the producer stamped. */
  readonly timestamp: number;
};

/** A look at Kafka that shares no code with the output under test. */
export type KafkaWitness = {
  createTopic(topic: string, partitions?: number): Promise<void>;
  deleteTopics(topics: readonly string[]): Promise<void>;
  /** The sum of the high watermarks of all partitions: how many records can be read. */
  readable(topic: string): Promise<number>;
  /** The high watermark of each partition. */
  highs(topic: string): Promise<ReadonlyMap<number, bigint>>;
  /** Hands over every record up to the high watermarks of now, in the order of each partition. */
  readAll(topic: string, each: (record: TopicRecord) => void): Promise<number>;
  /** Follows a topic from its end on; resolves, once it follows, to what stops it. */
  follow(topic: string, each: (record: TopicRecord) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
};

export type WitnessOptions = {
  /**
   * Hands over what was aborted as well. Without it kafkajs decides, which mistakes transactions for
   * one another that were open at the same time.
   */
  readonly uncommitted?: boolean;
};

export async function kafkaWitness(
  bootstrap: string,
  { uncommitted = false }: WitnessOptions = {},
): Promise<KafkaWitness> {
  const kafka = new Kafka({
    clientId: "dbus-witness",
    brokers: bootstrap.split(","),
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  await admin.connect();
  const highs = (topic: string) => admin.fetchTopicOffsets(topic);
  return {
    createTopic: async (topic, partitions = 1) => {
      await admin.createTopics({
        waitForLeaders: true,
        topics: [{ topic, numPartitions: partitions, replicationFactor: -1 }],
      });
    },
    deleteTopics: (topics) => admin.deleteTopics({ topics: [...topics] }),
    readable: async (topic) =>
      (await highs(topic)).reduce((sum, partition) => sum + Number(partition.high), 0),
    highs: async (topic) =>
      new Map((await highs(topic)).map(({ partition, high }) => [partition, BigInt(high)])),
    readAll: async (topic, each) =>
      readTo(kafka, topic, { highs: await highs(topic), uncommitted }, each),
    follow: (topic, each) => follow(kafka, topic, each),
    close: () => admin.disconnect(),
  };
}

/** A broker that has just started makes a topic, and takes a moment to say who leads it. */
export async function makeTopics(
  witness: KafkaWitness,
  topics: readonly string[],
  partitions: number,
): Promise<void> {
  for (const topic of topics) {
    await witness.createTopic(topic, partitions).catch(() => {});
    const there = async () => (await witness.highs(topic)).size === partitions;
    await waitFor(there, { what: `topic ${topic}` });
  }
}

type High = { readonly partition: number; readonly high: string };

async function readTo(
  kafka: Kafka,
  topic: string,
  { highs, uncommitted }: { readonly highs: readonly High[]; readonly uncommitted: boolean },
  each: (record: TopicRecord) => void,
): Promise<number> {
  const open = new Map<number, bigint>();
  for (const { partition, high } of highs) {
    if (BigInt(high) > 0n) open.set(partition, BigInt(high));
  }
  if (open.size === 0) return 0;
  const consumer = kafka.consumer({
    ...{ groupId: crypto.randomUUID(), maxBytes: 8 << 20, readUncommitted: uncommitted },
  });
  let count = 0;
  try {
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      // A broker that has just started is still loading its groups: the consumer tries again by
      // itself. Once something was read it would begin anew, and count twice.
      consumer.on(consumer.events.CRASH, ({ payload }) => {
        if (!payload.restart || count > 0) reject(payload.error);
      });
      const eachBatch = async ({ batch }: { batch: Batch }) => {
        const high = open.get(batch.partition);
        if (high === undefined) return;
        for (const message of batch.messages) {
          const record = recordOf(topic, batch.partition, message);
          if (record.offset >= high) break;
          count++;
          each(record);
        }
        // A batch may end in records that are not handed out, so its last offset counts.
        if (BigInt(batch.lastOffset()) + 1n >= high) open.delete(batch.partition);
        if (open.size === 0) resolve();
      };
      consumer
        .run({ autoCommit: false, eachBatch: (payload) => eachBatch(payload).catch(reject) })
        .catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return count;
}

type Batch = {
  readonly partition: number;
  readonly messages: readonly KafkaMessage[];
  lastOffset(): string;
};

async function follow(
  kafka: Kafka,
  topic: string,
  each: (record: TopicRecord) => void,
): Promise<() => Promise<void>> {
  const consumer = kafka.consumer({ groupId: crypto.randomUUID(), maxWaitTimeInMs: 1_000 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: false });
  const fetching = new Promise<void>((resolve) => {
    consumer.on(consumer.events.FETCH_START, () => resolve());
  });
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      for (const message of batch.messages) each(recordOf(topic, batch.partition, message));
    },
  });
  await fetching;
  return () => consumer.disconnect();
}

function recordOf(topic: string, partition: number, message: KafkaMessage): TopicRecord {
  return {
    topic,
    partition,
    offset: BigInt(message.offset),
    key: message.key,
    value: message.value,
    headers: message.headers,
    timestamp: Number(message.timestamp),
  };
}
