// test-timeout: 15m
import { expect } from "bun:test";
import { Kafka, logLevel } from "kafkajs";
import { kafkaOutput } from "#plugins/output/kafka/kafka-output.ts";
import {
  createKafkaConsumer,
  createKafkaProducer,
  type KafkaDriver,
  kafkaDrivers,
} from "#src/clients/kafka/drivers.ts";
import type { KafkaRecord } from "#src/clients/kafka/port.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { consumerOptions, take } from "../../contract/kafka-consumer.ts";
import { producerOptions, recordOf } from "../../contract/kafka-producer.ts";
import { startKafka, useStarted } from "../../services/index.ts";
import { driveOutput } from "../../support/drive-output.ts";
import { waitFor } from "../../support/index.ts";
import { startKafkaInput, textOf } from "../../support/kafka-input.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { notePacket, noteTable } from "../../support/row-packets.ts";

const services = await useStarted("three brokers", () => startKafka({ brokers: 3, heapMb: 256 }));

services.test(
  "a killed leader is followed to the new one, in order, without doubles (fault 27)",
  async (kafka) => {
    const table = noteTable("three", "t");
    const output = await driveOutput(kafkaOutput, {
      brokers: kafka.bootstrap.split(","),
      createTopics: { partitions: 6, replicationFactor: 3 },
      requestTimeoutMs: 5_000,
      connectTimeoutMs: 1_000,
    });
    const packets = Array.from({ length: 20_000 }, (_, i) => {
      return notePacket(table, "I", { after: [i % 60, `${i}`] }, i);
    });
    await output.deliver(packets.slice(0, 5_000), { batch: 200 });
    kafka.brokers[1]?.kill("SIGKILL");
    const { refused, retries } = await output.deliver(packets.slice(5_000), {
      batch: 200,
      delayMs: 200,
    });
    await output.close();
    expect([refused.size, retries > 0]).toEqual([0, true]);
    await kafka.brokers[1]?.restart();
    const last = new Map<string, number>();
    const records = await readTopic(kafka.bootstrap, "cdc.three.t");
    expect(records).toHaveLength(packets.length);
    for (const { key, value } of records) {
      const number = Number(JSON.parse(`${value}`).rows[0][1]);
      expect(number).toBeGreaterThan(last.get(`${key}`) ?? -1);
      last.set(`${key}`, number);
    }
  },
  120_000,
);

services.test(
  "below min.insync.replicas records wait, none is lost or doubled (fault 28)",
  async (kafka) => {
    const topic = "three.isr";
    const peer = await kafkaPeer(kafka.bootstrap);
    await peer.createTopic(topic, 1, { "min.insync.replicas": "3" });
    await peer.close();
    const producer = createKafkaProducer("kafkajs", producerOptions(kafka.bootstrap));
    await producer.connect();
    const produce = async (records: readonly KafkaRecord[]) => {
      const [result = []] = await producer.produce([{ topic, partition: 0, records }]);
      return result.map((error) => error?.code ?? null);
    };
    const until = (records: readonly KafkaRecord[], code: string | null) =>
      waitFor(
        async () => {
          const codes = await produce(records);
          return codes[0] === code && codes;
        },
        { what: `the records to be ${code ?? "written"}`, timeoutMs: 30_000, intervalMs: 100 },
      );
    expect(await until([recordOf("k", "0")], null)).toEqual([null]);
    kafka.brokers[2]?.kill("SIGKILL");
    const waiting = [recordOf("k", "1"), recordOf("k", "2")];
    expect(await until(waiting, "KAFKA_NOT_ENOUGH_REPLICAS")).toHaveLength(2);
    await kafka.brokers[2]?.restart();
    expect(await until(waiting, null)).toEqual([null, null]);
    expect(await produce([recordOf("k", "3")])).toEqual([null]);
    await producer.close();
    const values = (await readTopic(kafka.bootstrap, topic)).map(({ value }) => `${value}`);
    expect(values).toEqual(["0", "1", "2", "3"]);
  },
  120_000,
);

services.test(
  "with min.insync.replicas=2 one of three brokers may go and come back, and nothing is lost",
  async (kafka) => {
    const table = noteTable("three", "isr2");
    const output = await driveOutput(kafkaOutput, {
      brokers: kafka.bootstrap.split(","),
      createTopics: {
        partitions: 3,
        replicationFactor: 3,
        configs: { "min.insync.replicas": 2, "retention.ms": 3_600_000 },
      },
      requestTimeoutMs: 5_000,
      connectTimeoutMs: 1_000,
    });
    const packets = Array.from({ length: 6_000 }, (_, i) => {
      return notePacket(table, "I", { after: [i % 30, `${i}`] }, i);
    });
    await output.deliver(packets.slice(0, 2_000), { batch: 200 });
    kafka.brokers[0]?.kill("SIGKILL");
    await output.deliver(packets.slice(2_000, 4_000), { batch: 200, delayMs: 200 });
    await kafka.brokers[0]?.restart();
    const { refused } = await output.deliver(packets.slice(4_000), { batch: 200, delayMs: 200 });
    await output.close();
    expect(refused.size).toBe(0);
    const peer = await kafkaPeer(kafka.bootstrap);
    const configs = await peer.topicConfigs("cdc.three.isr2");
    await peer.close();
    expect([configs.get("min.insync.replicas"), configs.get("retention.ms")]).toEqual([
      "2",
      "3600000",
    ]);
    const records = await readTopic(kafka.bootstrap, "cdc.three.isr2");
    expect(records).toHaveLength(packets.length);
  },
  120_000,
);

services.test(
  "readers follow a killed leader to the new one, and read each record once (fault 27)",
  async (kafka) => {
    const topic = "three.read";
    const places = [0, 1, 2].map((partition) => ({ topic, partition, offset: 0 }));
    const peer = await kafkaPeer(kafka.bootstrap);
    await peer.createTopic(topic, 3);
    await peer.close();
    const options = { ...producerOptions(kafka.bootstrap), requestTimeoutMs: 5_000 };
    const producer = createKafkaProducer("kafkajs", options);
    const write = async (from: number) => {
      const batches = places.map(({ partition }) => ({
        topic,
        partition,
        records: Array.from({ length: 200 }, (_, i) => recordOf("k", `${from + i}`)),
      }));
      const written = async () =>
        (await producer.produce(batches)).flat().every((error) => error === null);
      await waitFor(written, { what: "a write", timeoutMs: 30_000, intervalMs: 100 });
    };
    await write(0);
    const readers = (Object.keys(kafkaDrivers) as KafkaDriver[]).map((driver) => {
      const own = { ...consumerOptions(kafka.bootstrap), connectTimeoutMs: 1_000 };
      const consumer = createKafkaConsumer(driver, own);
      consumer.read(places);
      return { consumer, seen: places.map((): number[] => []) };
    });
    const readTo = (count: number) =>
      waitFor(
        async () => {
          for (const { consumer, seen } of readers) {
            const polled = await consumer.poll(200, new AbortController().signal);
            const records = polled?.error ? [] : (polled?.records ?? []);
            for (const { offset } of records) seen[polled?.partition ?? 0]?.push(offset);
          }
          return readers.every(({ seen }) => seen.every((offsets) => offsets.length >= count));
        },
        { what: `${count} records of each partition`, timeoutMs: 60_000, intervalMs: 1 },
      );
    await readTo(200);
    kafka.brokers[2]?.kill("SIGKILL");
    await write(200);
    await readTo(400);
    await kafka.brokers[2]?.restart();
    await producer.close();
    for (const { consumer, seen } of readers) {
      await consumer.close();
      for (const offsets of seen) expect(offsets).toEqual([...offsets.keys()]);
    }
  },
  120_000,
);

services.test(
  "a leader that was out of sync is noticed by who reads and by an input that was down: others stand where they read (fault 38)",
  async (kafka) => {
    const [first, second] = kafka.brokers;
    if (!first || !second) throw new Error("there are three of them");
    const topic = "three.unclean";
    const place = { topic, partition: 0 };
    const client = new Kafka({
      brokers: kafka.bootstrap.split(","),
      logLevel: logLevel.NOTHING,
    });
    const admin = client.admin();
    await admin.connect();
    const configEntries = [
      { name: "unclean.leader.election.enable", value: "true" },
      { name: "min.insync.replicas", value: "1" },
    ];
    const replicaAssignment = [{ partition: 0, replicas: [first.id, second.id] }];
    await admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic, replicaAssignment, configEntries }],
    });
    const options = { ...producerOptions(kafka.bootstrap), requestTimeoutMs: 5_000 };
    const producer = createKafkaProducer("kafkajs", options);
    const write = async (count: number, from: number) => {
      const records = Array.from({ length: count }, (_, i) => recordOf("k", `${from + i}`));
      const written = async () =>
        (await producer.produce([{ ...place, records }])).flat().every((error) => error === null);
      await waitFor(written, { what: "a write", timeoutMs: 60_000, intervalMs: 100 });
    };
    const inSync = async (...ids: number[]) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      const [partition] = topics[0]?.partitions ?? [];
      return `${partition?.isr.toSorted()}` === `${ids.toSorted()}`;
    };
    await waitFor(() => inSync(first.id, second.id), { what: "both", timeoutMs: 60_000 });
    await write(10, 0);
    second.kill("SIGKILL");
    await waitFor(() => inSync(first.id), { what: "one alone", timeoutMs: 60_000 });
    // These the second one never sees.
    await write(5, 10);
    const own = { ...consumerOptions(kafka.bootstrap), connectTimeoutMs: 1_000 };
    const consumer = createKafkaConsumer("kafkajs", own);
    consumer.read([{ ...place, offset: 0 }]);
    expect(await take(consumer, 15)).toHaveLength(15);
    const input = {
      ...{ brokers: kafka.bootstrap.split(","), topics: [topic], connectTimeoutMs: 1_000 },
      ...{ onPositionLost: "earliest", fetchWaitMs: 100 },
    };
    const states = [memoryState(), memoryState()] as const;
    for (const state of states) {
      const before = await startKafkaInput({ config: input, state });
      await waitFor(() => before.sink.packets.length === 15, { what: "all by the input" });
      await before.stop();
    }
    first.kill("SIGKILL");
    await second.restart();
    await waitFor(() => inSync(second.id), { what: "the other alone", timeoutMs: 60_000 });
    // One input comes back before anything else is written there, the other after that.
    const early = await startKafkaInput({ config: input, state: states[0] });
    await waitFor(() => states[0].gaps.list().length === 1, { what: "a gap of the first" });
    await write(20, 100);
    const polled = await waitFor(
      async () => (await consumer.poll(1_000, new AbortController().signal)) ?? false,
      { what: "the new leader", timeoutMs: 60_000, intervalMs: 1 },
    );
    expect(polled).toMatchObject({ at: 15, error: { code: "KAFKA_OFFSET_OUT_OF_RANGE" } });
    const truncated = polled.error && polled.truncated;
    expect(truncated).toBe(10);
    consumer.read([{ ...place, offset: 10 }]);
    const values = (await take(consumer, 20)).map(({ value }) => `${value}`);
    expect(values).toEqual(Array.from({ length: 20 }, (_, i) => `${100 + i}`));
    await consumer.close();
    const late = await startKafkaInput({ config: input, state: states[1] });
    for (const bus of [early, late]) {
      await waitFor(() => bus.sink.packets.length >= 20, { what: "what stands there now" });
      await bus.stop();
      expect(bus.sink.packets.map(textOf)).toEqual(values);
    }
    for (const state of states) {
      const [gap, ...others] = state.gaps.list();
      expect([gap?.from, gap?.to].map((at) => JSON.parse(`${at}`).offset)).toEqual([15, 10]);
      expect(others).toEqual([]);
    }
    await producer.close();
    await admin.disconnect();
    await first.restart();
  },
  180_000,
);
