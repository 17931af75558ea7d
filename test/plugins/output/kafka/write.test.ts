import { describe, expect, test } from "bun:test";
import { kafkaOutputSchema } from "#plugins/output/kafka/kafka-config.ts";
import { createPacketEncoder } from "#plugins/output/kafka/packet-encoder.ts";
import { createTopicNames } from "#plugins/output/kafka/topic-names.ts";
import { createTopics } from "#plugins/output/kafka/topics.ts";
import { type Writer, writePackets as writeFenced } from "#plugins/output/kafka/write.ts";
import { partitionOf } from "#src/clients/kafka/partitioner.ts";
import type { KafkaProducer, PartitionBatch, PartitionResult } from "#src/clients/kafka/port.ts";
import { systemClock } from "#src/clock.ts";
import { DbusError, type ErrorCode } from "#src/errors.ts";
import type { Packet, RowChange, Table } from "#src/flow/packet.ts";
import { silentLog } from "#src/log.ts";

const table: Table = {
  db: "shop",
  name: "orders",
  columns: [{ name: "id", kind: "int", type: "int", nullable: false }],
  primaryKey: [0],
};
const partitions = 4;

function row(op: RowChange["op"], before: number | undefined, after: number | undefined): Packet {
  const txn = { gtid: "g:1", serverId: 1 };
  const change = { kind: "row", op, table, txn, ordinal: 0, log: "b", pos: 4, ts: 1 } as const;
  const images = { before: before === undefined ? undefined : [before] };
  const payload = { ...change, ...images, after: after === undefined ? undefined : [after] };
  return { ident: "in", payload, position: 0, bytes: 1 };
}

const insert = (id: number) => row("I", undefined, id);

/** Ids whose keys lie in the given partition. */
function idsIn(partition: number, count: number): number[] {
  const ids: number[] = [];
  for (let id = 0; ids.length < count; id++) {
    if (partitionOf(`{"id":${id}}`, partitions) === partition) ids.push(id);
  }
  return ids;
}

type Fake = {
  readonly writer: Writer;
  /** Every batch that was produced. */
  readonly batches: PartitionBatch[];
  /** What to answer; undefined is success. */
  answer: (batch: PartitionBatch) => PartitionResult | undefined;
  topicError: DbusError | undefined;
};

function fake(config: Record<string, unknown> = {}): Fake {
  const checked = kafkaOutputSchema.parse({ brokers: ["h:1"], ...config });
  const batches: PartitionBatch[] = [];
  const self = { batches, answer: () => undefined, topicError: undefined } as unknown as Fake;
  const producer: Pick<KafkaProducer, "produce" | "partitionCount" | "createTopic" | "growTopic"> =
    {
      produce: async (given) => {
        batches.push(...given.map((batch) => ({ ...batch, records: [...batch.records] })));
        return given.map((batch) => self.answer(batch) ?? batch.records.map(() => null));
      },
      partitionCount: async () => {
        if (self.topicError) throw self.topicError;
        return partitions;
      },
      createTopic: async () => {},
      growTopic: async () => {},
    };
  const writer: Writer = {
    names: createTopicNames(checked.topic),
    topics: createTopics(producer, checked, { clock: systemClock, log: silentLog }),
    encoder: createPacketEncoder(checked, systemClock),
    producer,
    kept: new Map(),
  };
  return Object.assign(self, { writer });
}

const failing = (code: ErrorCode) => new DbusError(code, "as the test says");
/** As in a single process, where there is no fence. */
const writePackets = (writer: Writer, packets: readonly Packet[]) =>
  writeFenced(writer, packets, () => undefined);

const words = (verdicts: Awaited<ReturnType<typeof writePackets>>) =>
  verdicts?.map((verdict) =>
    verdict === "done" ? "done" : "failed" in verdict ? "failed" : "retry",
  );

describe("verdicts", () => {
  test("nothing but success is undefined, and each key lies in the Java client's partition", async () => {
    const { writer, batches } = fake();
    expect(await writePackets(writer, [insert(1), insert(2), insert(3)])).toBeUndefined();
    for (const { topic, partition, records } of batches) {
      expect(topic).toBe("cdc.shop.orders");
      for (const { key } of records) expect(partitionOf(key as string, partitions)).toBe(partition);
    }
  });

  test("a failing partition waits, the others are done", async () => {
    const self = fake();
    const [a1, a2] = idsIn(0, 2) as [number, number];
    const [b1] = idsIn(1, 1) as [number];
    self.answer = ({ partition, records }) =>
      partition === 0 ? records.map(() => failing("KAFKA_NOT_LEADER")) : undefined;
    const verdicts = await writePackets(self.writer, [insert(a1), insert(b1), insert(a2)]);
    expect(words(verdicts)).toEqual(["retry", "done", "retry"]);
  });

  test("the records of a waiting packet are the same objects when it is given again", async () => {
    const self = fake();
    const packet = insert(1);
    self.answer = ({ records }) => records.map(() => failing("KAFKA_REQUEST_FAILED"));
    await writePackets(self.writer, [packet]);
    self.answer = () => undefined;
    expect(await writePackets(self.writer, [packet, insert(2)])).toBeUndefined();
    expect(self.batches[1]?.records[0]).toBe(self.batches[0]?.records[0] as never);
    expect(self.writer.kept.size).toBe(0);
  });

  test("a record that is too large fails alone, those of its key behind it are done", async () => {
    const self = fake();
    const [id] = idsIn(2, 1) as [number];
    self.answer = ({ records }) =>
      records.map((_, i) => (i === 1 ? failing("KAFKA_RECORD_TOO_LARGE") : null));
    const verdicts = await writePackets(self.writer, [insert(id), insert(id), insert(id)]);
    expect(words(verdicts)).toEqual(["done", "failed", "done"]);
  });

  test("of a packet that waits for one record, the other one is not written again", async () => {
    const self = fake();
    const [from] = idsIn(0, 1) as [number];
    const [to] = idsIn(1, 1) as [number];
    self.answer = ({ partition, records }) =>
      partition === 1 ? records.map(() => failing("KAFKA_NOT_LEADER")) : undefined;
    // The delete of the old key is written, so the insert of the old key that follows is done.
    const move = row("U", from, to);
    const packets = [insert(from), move, insert(from), row("U", to, to)];
    const verdicts = await writePackets(self.writer, packets);
    expect(words(verdicts)).toEqual(["done", "retry", "done", "retry"]);
    const [, second] = self.batches;
    self.batches.length = 0;
    self.answer = () => undefined;
    expect(await writePackets(self.writer, [move, row("U", to, to)])).toBeUndefined();
    expect(self.batches.map(({ partition }) => partition)).toEqual([1]);
    // The very same object, by which the producer knows a retry.
    expect(self.batches[0]?.records[0]).toBe(second?.records[0] as never);
    expect(self.batches[0]?.records).toHaveLength(2);
  });

  test("what was not written is kept through several tries, whichever record fails", async () => {
    const self = fake();
    const [from] = idsIn(0, 1) as [number];
    const [to] = idsIn(1, 1) as [number];
    const move = row("U", from, to);
    const written: number[] = [];
    for (const failingPartition of [0, 0, undefined]) {
      self.answer = ({ partition, records }) => {
        if (partition === failingPartition) return records.map(() => failing("KAFKA_NOT_LEADER"));
        written.push(partition);
        return undefined;
      };
      const verdicts = await writePackets(self.writer, [move]);
      expect(words(verdicts)).toEqual(failingPartition === undefined ? undefined : ["retry"]);
    }
    expect(written).toEqual([1, 0]);
  });

  test("a wait outweighs a refusal of the same packet", async () => {
    const self = fake({ format: "debezium" });
    const [from] = idsIn(0, 1) as [number];
    const [to] = idsIn(1, 1) as [number];
    self.answer = ({ partition, records }) =>
      records.map(() => failing(partition === 0 ? "KAFKA_RECORD_TOO_LARGE" : "KAFKA_NOT_LEADER"));
    expect(words(await writePackets(self.writer, [row("U", from, to)]))).toEqual(["retry"]);
  });

  test("a row without its key fails alone", async () => {
    const { writer } = fake();
    const verdicts = await writePackets(writer, [insert(1), row("D", undefined, undefined)]);
    expect(words(verdicts)).toEqual(["done", "failed"]);
    const headless = row("D", 1, undefined);
    const payload = { ...headless.payload, before: [undefined] } as RowChange;
    expect(words(await writePackets(writer, [{ ...headless, payload }, insert(2)]))).toEqual([
      "failed",
      "done",
    ]);
  });

  test("the packets of a missing topic wait without haste, and go when it is there", async () => {
    const self = fake({ createTopics: false });
    self.topicError = failing("KAFKA_TOPIC_MISSING");
    const packets = [insert(1), insert(2)];
    const verdicts = await writePackets(self.writer, packets);
    expect(verdicts).toEqual([
      { retryAfterMs: 2000, error: self.topicError },
      { retryAfterMs: 2000, error: self.topicError },
    ]);
    expect(self.batches).toEqual([]);
    self.topicError = undefined;
    expect(await writePackets(self.writer, packets)).toBeUndefined();
  });

  test("a topic that was deleted is asked for again, its partitions too", async () => {
    const self = fake({ createTopics: false });
    self.answer = ({ records }) => records.map(() => failing("KAFKA_TOPIC_MISSING"));
    expect(words(await writePackets(self.writer, [insert(1)]))).toEqual(["retry"]);
    expect(self.writer.topics.partitions("cdc.shop.orders")).toBeUndefined();
  });

  test("a topic that is unknown for a while, as after a restart, gets the same records again", async () => {
    const self = fake({ createTopics: false });
    const packet = insert(1);
    self.answer = ({ records }) => records.map(() => failing("KAFKA_TOPIC_MISSING"));
    await writePackets(self.writer, [packet]);
    self.topicError = failing("KAFKA_TOPIC_MISSING");
    await writePackets(self.writer, [packet]);
    self.topicError = undefined;
    self.answer = () => undefined;
    expect(await writePackets(self.writer, [packet])).toBeUndefined();
    expect(self.batches).toHaveLength(2);
    expect(self.batches[1]?.records[0]).toBe(self.batches[0]?.records[0] as never);
  });

  test("rows without a key stay together in one partition of their table", async () => {
    const { writer, batches } = fake();
    const keyless = { ...table, primaryKey: [] };
    const packets = [1, 2, 3, 4, 5].map((id) => {
      const packet = insert(id);
      return { ...packet, payload: { ...packet.payload, table: keyless } as RowChange };
    });
    await writePackets(writer, packets);
    expect(batches).toHaveLength(1);
    expect(batches[0]?.records.map(({ key }) => key)).toEqual([null, null, null, null, null]);
  });

  test("what has neither key nor table takes turns over the partitions, batch by batch", async () => {
    const { writer, batches } = fake({ topic: "lines" });
    const line: Packet = {
      ident: "m",
      payload: { kind: "text", text: "x" },
      position: 0,
      bytes: 1,
    };
    for (let i = 0; i < 5; i++) await writePackets(writer, [line, line]);
    expect(batches.map(({ partition }) => partition)).toEqual([0, 1, 2, 3, 0]);
  });
});

describe("headers", () => {
  test("a row carries its event id, its ident and what its value is", async () => {
    const { writer, batches } = fake();
    await writePackets(writer, [insert(1)]);
    expect(batches[0]?.records[0]?.headers).toEqual([
      ["dbus-id", "g:1:0"],
      ["dbus-ident", "in"],
      ["content-type", "application/json"],
    ]);
  });

  test("in a cluster it carries the fence of its own source too, also when it comes again", async () => {
    const self = fake();
    const { writer, batches } = self;
    const [id, other] = idsIn(1, 2) as [number, number];
    const packets = [insert(id), insert(other)];
    const fenceAt = (index: number) => [7, 12][index];
    self.answer = ({ records }) => records.map(() => new DbusError("KAFKA_NOT_LEADER", "no"));
    await writeFenced(writer, packets, fenceAt);
    self.answer = () => undefined;
    await writeFenced(writer, packets, fenceAt);
    expect(batches).toHaveLength(2);
    for (const { records } of batches) {
      expect(records.map(({ headers }) => headers[0])).toEqual([
        ["dbus-fence", "7"],
        ["dbus-fence", "12"],
      ]);
    }
  });

  test("the timestamp is that of the writing, or the source's when asked for", async () => {
    // By an old timestamp Kafka would delete a record at once, and forget its producer.
    const before = Date.now();
    const [written, source] = [fake(), fake({ timestamps: "source" })];
    await writePackets(written.writer, [insert(1)]);
    await writePackets(source.writer, [insert(1)]);
    const of = (self: Fake) => self.batches[0]?.records[0]?.timestamp ?? 0;
    expect(of(written)).toBeGreaterThanOrEqual(before);
    expect(of(source)).toBe(1000);
  });

  test("they can be left out", async () => {
    const { writer, batches } = fake({ headers: false });
    await writePackets(writer, [insert(1)]);
    expect(batches[0]?.records[0]?.headers).toEqual([]);
  });
});

describe("config", () => {
  test("needs brokers alone, and refuses what it does not know", () => {
    expect(kafkaOutputSchema.parse({ brokers: ["h:9092", "[::1]:9092"] })).toMatchObject({
      topic: "cdc.${db}.${tbl}",
      mode: "async",
      qos: "ThroughputFirst",
      createTopics: {},
      tls: false,
    });
    for (const wrong of [
      {},
      { brokers: [] },
      { brokers: ["h"] },
      { brokers: ["kafka://h:1"] },
      { brokers: ["h:1"], topic: "a b" },
      { brokers: ["h:1"], topik: "a" },
      { brokers: ["h:1"], createTopics: true },
      { brokers: ["h:1"], sasl: { mechanism: "gssapi", username: "u", password: "p" } },
    ]) {
      expect(kafkaOutputSchema.safeParse(wrong).success).toBe(false);
    }
  });
});
