import { expect } from "bun:test";
import { kafkaOutput } from "#plugins/output/kafka/kafka-output.ts";
import { createKafkajsProducer } from "#src/clients/kafka/kafkajs/producer.ts";
import type { KafkaRecord } from "#src/clients/kafka/port.ts";
import { producerOptions, recordOf } from "../../contract/kafka-producer.ts";
import { startKafka, useStarted } from "../../services/index.ts";
import { driveOutput } from "../../support/drive-output.ts";
import { waitFor } from "../../support/index.ts";
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
    const producer = createKafkajsProducer(producerOptions(kafka.bootstrap));
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
