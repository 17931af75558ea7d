import { expect } from "bun:test";
import { kafkaOutput } from "#plugins/output/kafka/kafka-output.ts";
import { partitionOf } from "#src/clients/kafka/partitioner.ts";
import type { DbusError } from "#src/errors.ts";
import { useServices } from "../../services/index.ts";
import { driveOutput } from "../../support/drive-output.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { notePacket, noteTable } from "../../support/row-packets.ts";

const services = await useServices("kafka");

const newDb = () => `db${crypto.randomUUID().slice(0, 8)}`;

services.test(
  "rows arrive keyed, in order, with their headers, in a topic that was made for them",
  async ({ kafka }) => {
    const brokers = kafka.bootstrap.split(",");
    const table = noteTable(newDb(), "orders");
    const createTopics = { partitions: 4, replicationFactor: 1 };
    const config = { brokers, createTopics, timestamps: "source" };
    const output = await driveOutput(kafkaOutput, config);
    const packets = Array.from({ length: 1000 }, (_, i) => {
      return notePacket(table, "I", { after: [i % 50, `note ${i}`] }, i);
    });
    expect((await output.deliver(packets)).refused.size).toBe(0);
    await output.close();
    const records = await readTopic(kafka.bootstrap, `cdc.${table.db}.orders`);
    expect(records).toHaveLength(1000);
    const last = new Map<string, number>();
    for (const { key, value, headers, partition, timestamp } of records) {
      expect(partition).toBe(partitionOf(`${key}`, 4));
      const row = JSON.parse(`${value}`);
      const ordinal = Number(row.rows[0][1].slice(5));
      expect(`${headers?.["dbus-id"]}`).toBe(`3e11fa47-71ca-11e1-9e33-c80aa9429562:23:${ordinal}`);
      expect(`${headers?.["content-type"]}`).toBe("application/json");
      expect(timestamp).toBe(1_700_000_000_000);
      expect(ordinal).toBeGreaterThan(last.get(`${key}`) ?? -1);
      last.set(`${key}`, ordinal);
    }
  },
);

services.test(
  "rows of a key stay in their partition while their topic grows, and only a restart moves keys (fault 32)",
  async ({ kafka }) => {
    const table = noteTable(newDb(), "t");
    const topic = `cdc.${table.db}.t`;
    const config = { brokers: kafka.bootstrap.split(","), createTopics: { partitions: 2 } };
    const rows = (from: number) =>
      Array.from({ length: 60 }, (_, i) => {
        return notePacket(table, "I", { after: [i % 20, `${from + i}`] }, from + i);
      });
    const peer = await kafkaPeer(kafka.bootstrap);
    const output = await driveOutput(kafkaOutput, config);
    await output.deliver(rows(0));
    await peer.growTopic(topic, 7);
    await output.deliver(rows(60));
    await output.close();
    await peer.close();
    const next = await driveOutput(kafkaOutput, config);
    await next.deliver(rows(120));
    await next.close();
    const records = await readTopic(kafka.bootstrap, topic);
    expect(records).toHaveLength(180);
    for (const { key, value, partition } of records) {
      const written = Number(JSON.parse(`${value}`).rows[0][1]);
      expect([written, partition]).toEqual([written, partitionOf(`${key}`, written < 120 ? 2 : 7)]);
    }
  },
);

services.test(
  "roundRobin spreads records evenly whatever their key, and goes on in the next batch",
  async ({ kafka }) => {
    const table = noteTable(newDb(), "t");
    const output = await driveOutput(kafkaOutput, {
      brokers: kafka.bootstrap.split(","),
      createTopics: { partitions: 4, replicationFactor: 1 },
      partition: "roundRobin",
    });
    const packets = Array.from({ length: 100 }, (_, i) => {
      return notePacket(table, "I", { after: [1, `${i}`] }, i);
    });
    // Batches of 3 would otherwise never come to the last partition.
    expect((await output.deliver(packets, { batch: 3 })).refused.size).toBe(0);
    await output.close();
    const records = await readTopic(kafka.bootstrap, `cdc.${table.db}.t`);
    const counts = Map.groupBy(records, ({ partition }) => partition);
    expect([0, 1, 2, 3].map((partition) => counts.get(partition)?.length)).toEqual([
      ...[25, 25, 25, 25],
    ]);
  },
);

services.test(
  "debezium deletes leave tombstones, and a changed key leaves its old one",
  async ({ kafka }) => {
    const table = noteTable(newDb(), "t");
    const output = await driveOutput(kafkaOutput, {
      brokers: kafka.bootstrap.split(","),
      createTopics: { partitions: 1, replicationFactor: 1 },
      format: "debezium",
    });
    await output.deliver([
      notePacket(table, "I", { after: [1, "a"] }),
      notePacket(table, "U", { before: [1, "a"], after: [2, "a"] }),
      notePacket(table, "D", { before: [2, "a"] }),
    ]);
    await output.close();
    const records = await readTopic(kafka.bootstrap, `cdc.${table.db}.t`);
    const seen = records.map(({ key, value }) => [`${key}`, value && JSON.parse(`${value}`).op]);
    expect(seen).toEqual([
      ['{"id":1}', "c"],
      ['{"id":1}', "d"],
      ['{"id":1}', null],
      ['{"id":2}', "c"],
      ['{"id":2}', "d"],
      ['{"id":2}', null],
    ]);
  },
);

services.test(
  "a row that is too large is refused with its reason, its neighbours arrive",
  async ({ kafka }) => {
    const table = noteTable(newDb(), "t");
    const output = await driveOutput(kafkaOutput, {
      brokers: kafka.bootstrap.split(","),
      createTopics: { partitions: 1, replicationFactor: 1 },
    });
    const notes = ["a", "b".repeat(2_000_000), "c"];
    const packets = notes.map((note, i) => notePacket(table, "I", { after: [i, note] }, i));
    const { refused } = await output.deliver(packets);
    await output.close();
    expect([...refused.keys()]).toEqual([1]);
    expect((refused.get(1) as DbusError).code).toBe("KAFKA_RECORD_TOO_LARGE");
    const records = await readTopic(kafka.bootstrap, `cdc.${table.db}.t`);
    expect(records.map(({ key }) => `${key}`)).toEqual(['{"id":0}', '{"id":2}']);
  },
);

services.test(
  "a topic that is missing and may not be made is waited for, then written",
  async ({ kafka }) => {
    const table = noteTable(newDb(), "t");
    const brokers = kafka.bootstrap.split(",");
    const output = await driveOutput(kafkaOutput, { brokers, createTopics: false });
    const packets = [notePacket(table, "I", { after: [1, "a"] })];
    const [verdict] = await output.write(packets);
    const error = typeof verdict === "object" && "error" in verdict ? verdict.error : undefined;
    expect((error as DbusError).code).toBe("KAFKA_TOPIC_MISSING");
    expect((error as DbusError).message).toContain(`cdc.${table.db}.t`);
    expect((error as DbusError).remedy).toContain("createTopics");
    const peer = await kafkaPeer(kafka.bootstrap);
    await peer.createTopic(`cdc.${table.db}.t`, 2);
    await peer.close();
    await output.deliver(packets);
    await output.close();
    expect(await readTopic(kafka.bootstrap, `cdc.${table.db}.t`)).toHaveLength(1);
  },
);

services.test(
  "mode sync writes everything, one packet at a time; dryrun writes nothing",
  async ({ kafka }) => {
    const table = noteTable(newDb(), "t");
    const brokers = kafka.bootstrap.split(",");
    const packets = Array.from({ length: 20 }, (_, i) => {
      return notePacket(table, "I", { after: [i, "a"] }, i);
    });
    const dry = await driveOutput(kafkaOutput, { brokers: ["127.0.0.1:1"], mode: "dryrun" });
    expect((await dry.deliver(packets)).retries).toBe(0);
    await dry.close();
    const sync = await driveOutput(kafkaOutput, { brokers, mode: "sync" });
    await sync.deliver(packets);
    await sync.close();
    const records = await readTopic(kafka.bootstrap, `cdc.${table.db}.t`);
    expect(records.map(({ key }) => JSON.parse(`${key}`).id)).toEqual([...packets.keys()]);
  },
);

services.test("qos LossTolerant arrives too, and is said aloud", async ({ kafka }) => {
  const table = noteTable(newDb(), "t");
  const warnings: string[] = [];
  const log = {
    debug() {},
    info() {},
    error() {},
    warn: (text: string) => void warnings.push(text),
  };
  const whole = { ...log, with: () => whole };
  const config = { brokers: kafka.bootstrap.split(","), qos: "LossTolerant" };
  const output = await driveOutput(kafkaOutput, config, whole);
  await output.deliver([notePacket(table, "I", { after: [1, "a"] })]);
  await output.close();
  expect(warnings.join()).toContain("LossTolerant");
  expect(await readTopic(kafka.bootstrap, `cdc.${table.db}.t`)).toHaveLength(1);
});

services.test(
  "a broker that is not there keeps the output from opening, with its address",
  async () => {
    const config = { brokers: ["127.0.0.1:1"], connectTimeoutMs: 500 };
    const error = await driveOutput(kafkaOutput, config).then(
      () => undefined,
      (thrown: DbusError) => thrown,
    );
    expect([error?.code, error?.kind]).toEqual(["KAFKA_UNREACHABLE", "retry"]);
    expect(error?.message).toContain("127.0.0.1:1");
  },
);
