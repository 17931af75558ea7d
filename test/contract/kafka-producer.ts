import { expect } from "bun:test";
import { partitionOf } from "#src/clients/kafka/partitioner.ts";
import type {
  KafkaProducer,
  KafkaProducerOptions,
  KafkaRecord,
  PartitionBatch,
  PartitionResult,
} from "#src/clients/kafka/port.ts";
import { systemClock } from "#src/clock.ts";
import type { DbusError } from "#src/errors.ts";
import { silentLog } from "#src/log.ts";
import { waitFor } from "../support/index.ts";
import { type KafkaPeer, kafkaPeer } from "../support/kafka-peer.ts";
import { readTopic } from "../support/kafka-read.ts";
import type { TopicRecord } from "../support/kafka-topic.ts";

/** What a suite needs: how a producer is made, and a real broker on an address of its own. */
export type ProducerContract = {
  readonly create: (options: KafkaProducerOptions) => KafkaProducer;
  readonly bootstrap: string;
};

export const producerOptions = (bootstrap: string): KafkaProducerOptions => ({
  brokers: bootstrap.split(","),
  clientId: "dbus-contract",
  connectTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  clock: systemClock,
  log: silentLog,
  acks: "all",
  compression: "none",
  batchBytesMax: 1_000_000,
  recordBytesMax: 1_000_000,
});

export const newTopicName = (what: string): string =>
  `contract-${what}-${crypto.randomUUID().slice(0, 8)}`;

export const recordOf = (
  key: KafkaRecord["key"],
  value: KafkaRecord["value"],
  headers: KafkaRecord["headers"] = [],
): KafkaRecord => ({ key, value, headers, timestamp: 1_700_000_000_123 });

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "none",
    (error: DbusError) => error.code,
  );
}

const codes = (results: readonly PartitionResult[]) =>
  results.map((result) => result.map((error) => error?.code ?? null));

/** A topic that is new may have no leader for a moment: then its batches are given again. */
export function patient(producer: KafkaProducer): KafkaProducer {
  return {
    ...producer,
    async produce(batches) {
      const results = [...(await producer.produce(batches))];
      const early = () =>
        [...results.keys()].filter((i) => results[i]?.[0]?.code === "KAFKA_NOT_LEADER");
      const again = async () => {
        const waiting = early();
        if (waiting.length === 0) return true;
        const given = await producer.produce(waiting.map((i) => batches[i] as PartitionBatch));
        for (const [n, i] of waiting.entries()) results[i] = given[n] as PartitionResult;
        return early().length === 0;
      };
      await waitFor(again, { what: "new topics to have leaders" });
      return results;
    },
  };
}

/** Runs `use` with a connected producer and a witness, and closes both whatever happens. */
async function withProducer(
  { create, bootstrap }: ProducerContract,
  more: Partial<KafkaProducerOptions>,
  use: (producer: KafkaProducer, peer: KafkaPeer) => Promise<void>,
): Promise<void> {
  const producer = patient(create({ ...producerOptions(bootstrap), ...more }));
  const peer = await kafkaPeer(bootstrap);
  try {
    await producer.connect();
    await use(producer, peer);
  } finally {
    await producer.close();
    await peer.close();
  }
}

type Case = readonly [name: string, run: (contract: ProducerContract) => Promise<void>];

/** Every implementation of the port passes these against a real broker. */
export const producerContract: readonly Case[] = [
  [
    "writes key, value, headers and timestamp as they are, into the partition that was said",
    async (contract) => {
      const topic = newTopicName("write");
      await withProducer(contract, {}, async (producer, peer) => {
        await peer.createTopic(topic, 3);
        expect(await producer.partitionCount(topic)).toBe(3);
        const bytes = new Uint8Array([0, 255, 10]);
        const results = await producer.produce([
          { topic, partition: 2, records: [recordOf("kéy", "välue😀", [["h", "ü"]])] },
          {
            topic,
            partition: 0,
            records: [recordOf(bytes, null), recordOf(null, bytes, [["b", bytes]])],
          },
        ]);
        expect(codes(results)).toEqual([[null], [null, null]]);
        const found = (await readTopic(contract.bootstrap, topic)).toSorted(
          (a, b) => b.partition - a.partition,
        );
        expect(found.map(({ partition, offset }) => [partition, offset])).toEqual([
          [2, 0n],
          [0, 0n],
          [0, 1n],
        ]);
        expect(found.map(({ timestamp }) => timestamp)).toEqual(Array(3).fill(1_700_000_000_123));
        expect([`${found[0]?.key}`, `${found[0]?.value}`]).toEqual(["kéy", "välue😀"]);
        expect(`${found[0]?.headers?.h}`).toBe("ü");
        expect([found[1]?.key, found[1]?.value]).toEqual([Buffer.from(bytes), null]);
        expect([found[2]?.key, found[2]?.value]).toEqual([null, Buffer.from(bytes)]);
        expect(found[2]?.headers?.b).toEqual(Buffer.from(bytes));
      });
    },
  ],
  [
    "keeps the order of each partition over many batches, large ones cut into several",
    async (contract) => {
      const topic = newTopicName("order");
      await withProducer(contract, { batchBytesMax: 20_000 }, async (producer, peer) => {
        await peer.createTopic(topic, 2);
        for (let round = 0; round < 5; round++) {
          const batches = [0, 1].map((partition) => ({
            topic,
            partition,
            records: Array.from({ length: 500 }, (_, i) => {
              return recordOf(`${partition}`, `${round * 500 + i} ${"x".repeat(100)}`);
            }),
          }));
          for (const result of await producer.produce(batches)) {
            expect(result.every((error) => error === null)).toBe(true);
          }
        }
        const found = await readTopic(contract.bootstrap, topic);
        for (const partition of [0, 1]) {
          const values = found.filter((record) => record.partition === partition);
          expect(values.map(({ value }) => Number.parseInt(`${value}`, 10))).toEqual(
            Array.from({ length: 2500 }, (_, i) => i),
          );
        }
      });
    },
  ],
  [
    "refuses a record above recordBytesMax and writes those around it",
    async (contract) => {
      const topic = newTopicName("oversize");
      await withProducer(contract, { recordBytesMax: 5000 }, async (producer, peer) => {
        await peer.createTopic(topic, 1);
        const records = [recordOf("a", "1"), recordOf("a", "2".repeat(6000)), recordOf("a", "3")];
        const results = await producer.produce([{ topic, partition: 0, records }]);
        expect(codes(results)).toEqual([[null, "KAFKA_RECORD_TOO_LARGE", null]]);
        const values = (await readTopic(contract.bootstrap, topic)).map(({ value }) => `${value}`);
        expect(values).toEqual(["1", "3"]);
      });
    },
  ],
  [
    "splits a batch that the broker finds too large, and refuses what is too large alone (fault 31)",
    async (contract) => {
      const topic = newTopicName("split");
      const limits = { batchBytesMax: 5_000_000, recordBytesMax: 5_000_000 };
      await withProducer(contract, limits, async (producer, peer) => {
        await peer.createTopic(topic, 1);
        const records = Array.from({ length: 12 }, (_, i) => {
          return recordOf(`${i}`, `${i} ${"x".repeat(i === 5 ? 1_500_000 : 300_000)}`);
        });
        const results = await producer.produce([{ topic, partition: 0, records }]);
        expect(
          codes(results)[0]
            ?.map((code, i) => (code ? [i, code] : null))
            .filter(Boolean),
        ).toEqual([[5, "KAFKA_RECORD_TOO_LARGE"]]);
        const found = await readTopic(contract.bootstrap, topic);
        expect(found.map(({ key }) => Number(`${key}`))).toEqual([
          0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11,
        ]);
      });
    },
  ],
  [
    "writes under each compression what others can read",
    async (contract) => {
      for (const compression of ["gzip", "none"] as const) {
        const topic = newTopicName(compression);
        await withProducer(contract, { compression }, async (producer, peer) => {
          await peer.createTopic(topic, 1);
          const records = Array.from({ length: 50 }, (_, i) => recordOf(`${i}`, "x".repeat(1000)));
          expect(codes(await producer.produce([{ topic, partition: 0, records }]))[0]).toEqual(
            Array(50).fill(null),
          );
          expect((await readTopic(contract.bootstrap, topic)).map(({ key }) => `${key}`)).toEqual(
            records.map(({ key }) => `${key}`),
          );
        });
      }
    },
  ],
  [
    "says KAFKA_TOPIC_MISSING, and never lets the broker make a topic by itself",
    async (contract) => {
      const topic = newTopicName("missing");
      await withProducer(contract, {}, async (producer, peer) => {
        expect(await codeOf(producer.partitionCount(topic))).toBe("KAFKA_TOPIC_MISSING");
        const records = [recordOf("k", "v"), recordOf("k", "w")];
        const results = await producer.produce([{ topic, partition: 0, records }]);
        expect(codes(results)).toEqual([["KAFKA_TOPIC_MISSING", "KAFKA_TOPIC_MISSING"]]);
        expect(await codeOf(producer.partitionCount(topic))).toBe("KAFKA_TOPIC_MISSING");
        await peer.createTopic(topic, 2);
        expect(await producer.partitionCount(topic)).toBe(2);
        expect(codes(await producer.produce([{ topic, partition: 1, records }]))).toEqual([
          [null, null],
        ]);
      });
    },
  ],
  [
    "a partition that is not there is an error of its batch alone",
    async (contract) => {
      const topic = newTopicName("partition");
      await withProducer(contract, {}, async (producer, peer) => {
        await peer.createTopic(topic, 1);
        const results = await producer.produce([
          { topic, partition: 7, records: [recordOf("k", "v")] },
          { topic, partition: 0, records: [recordOf("k", "v")] },
        ]);
        expect(codes(results)).toEqual([["KAFKA_TOPIC_MISSING"], [null]]);
      });
    },
  ],
  [
    "creates a topic with its partitions, twice without complaint, and says why it cannot",
    async (contract) => {
      const topic = newTopicName("create");
      await withProducer(contract, {}, async (producer) => {
        await producer.createTopic({ topic, partitions: 5, replicationFactor: 1 });
        await producer.createTopic({ topic, partitions: 5, replicationFactor: 1 });
        expect(await producer.partitionCount(topic)).toBe(5);
        const wrong = { topic: "a/b", partitions: 1, replicationFactor: 1 };
        expect(await codeOf(producer.createTopic(wrong))).toBe("KAFKA_TOPIC_INVALID");
        const many = { topic: newTopicName("many"), partitions: 1, replicationFactor: 9 };
        expect(await codeOf(producer.createTopic(many))).toBe("KAFKA_TOPIC_MISSING");
      });
    },
  ],
  [
    "creates a topic with the broker's defaults where none are given",
    async (contract) => {
      const topic = newTopicName("defaults");
      await withProducer(contract, {}, async (producer) => {
        await producer.createTopic({ topic, partitions: -1, replicationFactor: -1 });
        expect(await producer.partitionCount(topic)).toBe(1);
      });
    },
  ],
  [
    "acks leader writes as well, without sequence numbers",
    async (contract) => {
      const topic = newTopicName("leader");
      await withProducer(contract, { acks: "leader" }, async (producer, peer) => {
        await peer.createTopic(topic, 1);
        const records = [recordOf("k", "v")];
        for (let i = 0; i < 3; i++) {
          expect(codes(await producer.produce([{ topic, partition: 0, records }]))).toEqual([
            [null],
          ]);
        }
        expect(await readTopic(contract.bootstrap, topic)).toHaveLength(3);
      });
    },
  ],
  [
    "a compacted topic refuses the record without a key, not those around it",
    async (contract) => {
      const topic = newTopicName("compacted");
      await withProducer(contract, {}, async (producer, peer) => {
        await peer.createTopic(topic, 1, { "cleanup.policy": "compact" });
        const records = [recordOf("a", "1"), recordOf(null, "2"), recordOf("a", "3")];
        const results = await producer.produce([{ topic, partition: 0, records }]);
        expect(codes(results)).toEqual([[null, "KAFKA_RECORD_REJECTED", null]]);
        expect((await readTopic(contract.bootstrap, topic)).map(({ value }) => `${value}`)).toEqual(
          ["1", "3"],
        );
      });
    },
  ],
  [
    "nobody at the address is KAFKA_UNREACHABLE, of kind retry, and names the address",
    async ({ create }) => {
      const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
      const { port } = listener;
      listener.stop(true);
      const producer = create(producerOptions(`127.0.0.1:${port}`));
      const error = await producer.connect().then(
        () => undefined,
        (thrown: DbusError) => thrown,
      );
      expect([error?.code, error?.kind]).toEqual(["KAFKA_UNREACHABLE", "retry"]);
      expect(error?.message).toContain(`127.0.0.1:${port}`);
      await producer.close();
    },
  ],
  [
    "a server that never answers is KAFKA_UNREACHABLE after the connect timeout",
    async ({ create }) => {
      const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
      const options = { ...producerOptions(`127.0.0.1:${silent.port}`), requestTimeoutMs: 300 };
      const producer = create({ ...options, connectTimeoutMs: 300 });
      expect(await codeOf(producer.connect())).toBe("KAFKA_UNREACHABLE");
      await producer.close();
      silent.stop(true);
    },
  ],
  [
    "goes on with the next broker of the list when the first is not there",
    async (contract) => {
      const topic = newTopicName("second");
      const bootstrap = `127.0.0.1:1,${contract.bootstrap}`;
      await withProducer(contract, { brokers: bootstrap.split(",") }, async (producer) => {
        await producer.createTopic({ topic, partitions: 1, replicationFactor: 1 });
        const batch = { topic, partition: 0, records: [recordOf("k", "v")] };
        expect(codes(await producer.produce([batch]))).toEqual([[null]]);
      });
    },
  ],
  [
    "keys land where the Java client's would, whichever driver writes them",
    async (contract) => {
      const topic = newTopicName("keys");
      await withProducer(contract, {}, async (producer, peer) => {
        await peer.createTopic(topic, 7);
        await peer.createTopic(`${topic}-peer`, 7);
        const keys = Array.from({ length: 100 }, (_, i) => `{"id":${i}}`);
        const byPartition = Map.groupBy(keys, (key) => partitionOf(key, 7));
        await producer.produce(
          [...byPartition].map(([partition, ofPartition]) => ({
            topic,
            partition,
            records: ofPartition.map((key) => recordOf(key, "v")),
          })),
        );
        await peer.produceByKey(`${topic}-peer`, keys);
        const place = (record: TopicRecord) => `${record.partition} ${record.key}`;
        const [ours, peers] = [
          await readTopic(contract.bootstrap, topic),
          await readTopic(contract.bootstrap, `${topic}-peer`),
        ];
        expect(ours.map(place).toSorted()).toEqual(peers.map(place).toSorted());
      });
    },
  ],
];
