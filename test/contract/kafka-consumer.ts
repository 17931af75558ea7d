import { expect } from "bun:test";
import {
  createKafkaConsumer,
  createKafkaProducer,
  type KafkaDriver,
} from "#src/clients/kafka/drivers.ts";
import type {
  Compression,
  KafkaConsumer,
  KafkaConsumerOptions,
  KafkaRecord,
  Polled,
  ReadRecord,
} from "#src/clients/kafka/port.ts";
import { systemClock } from "#src/clock.ts";
import type { DbusError } from "#src/errors.ts";
import { silentLog } from "#src/log.ts";
import { faultProxy } from "../support/fault-proxy.ts";
import { holdsFor, waitFor } from "../support/index.ts";
import { kafkaPeer } from "../support/kafka-peer.ts";
import { recordedLog } from "../support/recorded-log.ts";
import { newTopicName, patient, producerOptions } from "./kafka-producer.ts";

/** What a suite needs: a driver's name, and a real broker on an address of its own. */
export type ConsumerContract = { readonly driver: KafkaDriver; readonly bootstrap: string };

export const consumerOptions = (bootstrap: string): KafkaConsumerOptions => ({
  brokers: bootstrap.split(","),
  clientId: "dbus-contract",
  connectTimeoutMs: 5_000,
  requestTimeoutMs: 10_000,
  clock: systemClock,
  log: silentLog,
  fetchBytesMax: 2 << 20,
  partitionBytesMax: 1 << 20,
  fetchWaitMs: 200,
  pollRecordsMax: 1_000,
  batchBytesMax: 64 << 20,
  uncommitted: false,
  onTrouble() {},
});

const never = new AbortController().signal;

type Use = {
  readonly consumer: KafkaConsumer;
  readonly topic: string;
  /** Writes to a partition of the topic. */
  write(records: readonly KafkaRecord[], partition?: number, how?: Compression): Promise<void>;
};

/** Runs `use` with a connected consumer and a topic of its own, and closes all whatever happens. */
export async function withConsumer(
  { driver, bootstrap }: ConsumerContract,
  what: string,
  use: (use: Use) => Promise<void>,
  more: Partial<KafkaConsumerOptions> & { readonly partitions?: number } = {},
): Promise<void> {
  const { partitions = 1, ...own } = more;
  const topic = newTopicName(what);
  const peer = await kafkaPeer(bootstrap);
  await peer.createTopic(topic, partitions);
  await peer.close();
  const consumer = createKafkaConsumer(driver, { ...consumerOptions(bootstrap), ...own });
  try {
    await consumer.connect();
    const write: Use["write"] = async (records, partition = 0, compression = "none") => {
      const options = { ...producerOptions(bootstrap), compression, recordBytesMax: 8_000_000 };
      const producer = patient(createKafkaProducer(driver, options));
      const [result] = await producer.produce([{ topic, partition, records }]);
      await producer.close();
      expect(result?.filter((error) => error !== null)).toEqual([]);
    };
    await use({ consumer, topic, write });
  } finally {
    await consumer.close();
  }
}

/** Polls until so many records have come; anything that stands against reading is thrown. */
export async function take(consumer: KafkaConsumer, count: number): Promise<ReadRecord[]> {
  const records: ReadRecord[] = [];
  await waitFor(
    async () => {
      const polled = await consumer.poll(1_000, never);
      if (polled?.error) throw polled.error;
      records.push(...(polled?.records ?? []));
      return records.length >= count;
    },
    { what: `${count} records`, timeoutMs: 20_000, intervalMs: 1 },
  );
  return records;
}

async function nextError(consumer: KafkaConsumer): Promise<Extract<Polled, { error: DbusError }>> {
  return waitFor(
    async () => {
      const polled = await consumer.poll(500, never);
      return polled?.error !== undefined && polled;
    },
    { what: "an error of the partition", intervalMs: 1 },
  );
}

const numbered = (count: number, from = 0, size = 10): KafkaRecord[] =>
  Array.from({ length: count }, (_, i) => ({
    key: `${(from + i) % 7}`,
    value: `${from + i}`.padEnd(size, "."),
    headers: [],
    timestamp: 1_700_000_000_000 + from + i,
  }));

const numbers = (records: readonly ReadRecord[]) =>
  records.map(({ value }) => Number.parseInt(Buffer.from(value ?? []).toString(), 10));

const upTo = (count: number) => [...Array(count).keys()];

export type ConsumerCase = readonly [
  name: string,
  run: (contract: ConsumerContract) => Promise<void>,
];

/** Every driver passes these against a real broker. */
export const consumerContract: readonly ConsumerCase[] = [
  [
    "reads key, value, headers, timestamp and offset as they were written, nulls among them",
    (contract) =>
      withConsumer(contract, "as-is", async ({ consumer, topic, write }) => {
        const bytes = new Uint8Array([0, 255, 10]);
        await write([
          {
            key: "kéy",
            value: "välue😀",
            headers: [
              ["h", "1"],
              ["h", bytes],
            ],
            timestamp: 17,
          },
          { key: null, value: null, headers: [], timestamp: 1_700_000_000_123 },
          { key: bytes, value: "", headers: [["", ""]], timestamp: 3 },
        ]);
        consumer.read([{ topic, partition: 0, offset: 0 }]);
        const records = await take(consumer, 3);
        const shown = records.map(({ offset, timestamp, key, value, headers }) => [
          offset,
          timestamp,
          key && Buffer.from(key),
          value && Buffer.from(value),
          headers.map(([name, head]) => [name, head && Buffer.from(head)]),
        ]);
        expect(shown).toEqual([
          [
            0,
            17,
            Buffer.from("kéy"),
            Buffer.from("välue😀"),
            [
              ["h", Buffer.from("1")],
              ["h", Buffer.from(bytes)],
            ],
          ],
          [1, 1_700_000_000_123, null, null, []],
          [2, 3, Buffer.from(bytes), Buffer.from(""), [["", Buffer.from("")]]],
        ]);
      }),
  ],
  [
    "reads every record once and in order, compressed or not, from the offset that was said",
    (contract) =>
      withConsumer(contract, "order", async ({ consumer, topic, write }) => {
        await write(numbered(3_000));
        await write(numbered(3_000, 3_000), 0, "gzip");
        await write(numbered(3_000, 6_000), 0, "zstd");
        consumer.read([{ topic, partition: 0, offset: 0 }]);
        expect(numbers(await take(consumer, 9_000))).toEqual(upTo(9_000));
        consumer.read([{ topic, partition: 0, offset: 6_500 }]);
        expect(numbers(await take(consumer, 2_500))).toEqual(upTo(9_000).slice(6_500));
      }),
  ],
  [
    "reads a batch that is larger than an answer may be, and what comes behind it",
    (contract) =>
      withConsumer(
        contract,
        "large",
        async ({ consumer, topic, write }) => {
          await write([...numbered(1, 0, 900_000)]);
          await write(numbered(50, 1));
          await write([...numbered(1, 51, 900_000)], 1);
          consumer.read([
            { topic, partition: 0, offset: 0 },
            { topic, partition: 1, offset: 0 },
          ]);
          const records = await take(consumer, 52);
          expect(numbers(records).toSorted((a, b) => a - b)).toEqual(upTo(52));
        },
        { fetchBytesMax: 10_000, partitionBytesMax: 5_000, partitions: 2 },
      ),
  ],
  [
    "asks no broker for more while nobody polls",
    (contract) =>
      withConsumer(
        contract,
        "idle",
        async ({ consumer, topic, write }) => {
          for (let i = 0; i < 20; i++) await write(numbered(10, i * 10, 1_000));
          consumer.read([{ topic, partition: 0, offset: 0 }]);
          const [first] = [await take(consumer, 1)];
          const before = process.memoryUsage().arrayBuffers;
          await holdsFor(() => process.memoryUsage().arrayBuffers < before + 100_000, {
            ms: 400,
            what: "nothing more to be read",
          });
          const rest = await take(consumer, 200 - (first?.length ?? 0));
          expect((first?.length ?? 0) + rest.length).toBe(200);
        },
        { fetchBytesMax: 12_000, partitionBytesMax: 12_000 },
      ),
  ],
  [
    "tells the first and the next offset, and the one of a time",
    (contract) =>
      withConsumer(
        contract,
        "offsets",
        async ({ consumer, topic, write }) => {
          await write(numbered(100));
          const place = [{ topic, partition: 0 }];
          const at = async (when: "earliest" | "latest" | number) =>
            (await consumer.offsets(place, when))[0]?.offset;
          expect(await at("earliest")).toBe(0);
          expect(await at("latest")).toBe(100);
          expect(await at(1_700_000_000_040)).toBe(40);
          expect(await at(1_800_000_000_000)).toBe(100);
          expect(await at(0)).toBe(0);
          const empty = await consumer.offsets([{ topic, partition: 1 }], 1_700_000_000_040);
          expect(empty[0]?.offset).toBe(0);
        },
        { partitions: 2 },
      ),
  ],
  [
    "an offset that is gone, or was never there, is told once, and reading goes on from another",
    (contract) =>
      withConsumer(contract, "range", async ({ consumer, topic, write }) => {
        await write(numbered(20));
        const peer = await kafkaPeer(contract.bootstrap);
        await peer.deleteRecords(topic, 0);
        await peer.close();
        await write(numbered(5, 20));
        for (const offset of [3, 10_000]) {
          consumer.read([{ topic, partition: 0, offset }]);
          const { error, at } = await nextError(consumer);
          expect([error.code, at]).toEqual(["KAFKA_OFFSET_OUT_OF_RANGE", offset]);
          expect(error.message).toContain(`${topic}/0`);
        }
        const [start] = await consumer.offsets([{ topic, partition: 0 }], "earliest");
        expect(start?.offset).toBe(20);
        consumer.read([{ topic, partition: 0, offset: 20 }]);
        expect(numbers(await take(consumer, 5))).toEqual([20, 21, 22, 23, 24]);
      }),
  ],
  [
    "a topic that is not there is said to be missing, and read once it is there",
    async (contract) => {
      const consumer = createKafkaConsumer(contract.driver, consumerOptions(contract.bootstrap));
      const topic = newTopicName("late");
      const known = await consumer.topics([topic]);
      expect((known.get(topic) as DbusError).code).toBe("KAFKA_TOPIC_MISSING");
      expect((await consumer.allTopics()).has(topic)).toBe(false);
      const peer = await kafkaPeer(contract.bootstrap);
      await peer.createTopic(topic, 3);
      await peer.close();
      const found = (await consumer.topics([topic])).get(topic);
      expect(found).toMatchObject({ partitions: 3, internal: false });
      expect((await consumer.allTopics()).get(topic)?.partitions).toBe(3);
      await consumer.close();
    },
  ],
  [
    "what is forgotten is not handed out any more, the others are",
    (contract) =>
      withConsumer(
        contract,
        "forget",
        async ({ consumer, topic, write }) => {
          await write(numbered(2_000), 0);
          await write(numbered(2_000), 1);
          consumer.read([0, 1].map((partition) => ({ topic, partition, offset: 0 })));
          await consumer.poll(2_000, never);
          consumer.forget([{ topic, partition: 0 }]);
          await waitFor(
            async () => {
              const polled = await consumer.poll(500, never);
              if (polled) expect(polled.partition).toBe(1);
              return polled?.error === undefined && polled?.next === 2_000;
            },
            { what: "the rest of the other partition", intervalMs: 1 },
          );
        },
        { partitions: 2, pollRecordsMax: 100 },
      ),
  ],
  [
    "records whose answer was lost are asked for again after requestTimeoutMs",
    async ({ driver, bootstrap }) => {
      const port = Number(bootstrap.split(":")[1]);
      const proxy = await faultProxy({ port }, { protocol: "kafka" });
      const behind = { brokers: [`127.0.0.1:${proxy.port}`], requestTimeoutMs: 1_000 };
      const use = async ({ consumer, topic, write }: Use) => {
        proxy.add({ type: "swallow_reply", to: { apiKey: 1 }, cut: false });
        await write(numbered(5));
        consumer.read([{ topic, partition: 0, offset: 0 }]);
        const began = performance.now();
        expect(await take(consumer, 5)).toHaveLength(5);
        expect(performance.now() - began).toBeLessThan(7_000);
      };
      await withConsumer({ driver, bootstrap }, "unanswered", use, behind).finally(proxy.close);
    },
  ],
  [
    "over a link that brings no full answer in its time less is asked for, and all comes (fault 68)",
    async ({ driver, bootstrap }) => {
      const port = Number(bootstrap.split(":")[1]);
      const proxy = await faultProxy({ port }, { protocol: "kafka" });
      const { log, entries } = recordedLog();
      // 400 KB would take ten times as long as an answer may.
      const behind = { brokers: [`127.0.0.1:${proxy.port}`], requestTimeoutMs: 1_000, log };
      const use = async ({ consumer, topic, write }: Use) => {
        for (let i = 0; i < 20; i++) await write(numbered(2, i * 2, 10_000));
        proxy.add({ type: "rate", bytesPerSecond: 40_000 });
        consumer.read([{ topic, partition: 0, offset: 0 }]);
        expect(numbers(await take(consumer, 4))).toEqual(upTo(4));
        proxy.heal();
        consumer.read([{ topic, partition: 0, offset: 0 }]);
        expect(numbers(await take(consumer, 40))).toEqual(upTo(40));
        expect(entries.filter(({ level }) => level === "warn")).toHaveLength(1);
      };
      await withConsumer({ driver, bootstrap }, "slow-link", use, behind).finally(proxy.close);
    },
  ],
  [
    "without members anybody may commit, and read what was committed",
    (contract) =>
      withConsumer(contract, "commit", async ({ consumer, topic }) => {
        const group = newTopicName("simple");
        expect(await consumer.committed(group)).toEqual([]);
        await consumer.commit(group, [{ topic, partition: 0, offset: 12, metadata: "why" }]);
        expect(await consumer.committed(group)).toMatchObject([
          { topic, partition: 0, offset: 12, metadata: "why" },
        ]);
      }),
  ],
];
