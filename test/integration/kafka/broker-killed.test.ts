import { expect } from "bun:test";
import { kafkaOutput } from "#plugins/output/kafka/kafka-output.ts";
import { startKafka, useStarted } from "../../services/index.ts";
import { driveOutput } from "../../support/drive-output.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { kafkaWitness } from "../../support/kafka-topic.ts";
import { notePacket, noteTable } from "../../support/row-packets.ts";

const services = await useStarted("kafka of its own", () => startKafka());

services.test(
  "a broker that is killed and comes back costs nothing and reorders no key",
  async (kafka) => {
    const table = noteTable("killed", "t");
    const output = await driveOutput(kafkaOutput, {
      brokers: kafka.bootstrap.split(","),
      createTopics: { partitions: 3, replicationFactor: 1 },
      requestTimeoutMs: 5_000,
      connectTimeoutMs: 1_000,
    });
    const packets = Array.from({ length: 60_000 }, (_, i) => {
      return notePacket(table, "I", { after: [i % 100, `${i}`] }, i);
    });
    const [broker] = kafka.brokers;
    let killed = false;
    const delivered = output.deliver(packets, { batch: 200, delayMs: 100 });
    const witness = await kafkaWitness(kafka.bootstrap);
    while (!killed) {
      const there = await witness.readable("cdc.killed.t").catch(() => 0);
      if (there > 2_000) {
        broker?.kill("SIGKILL");
        killed = true;
      }
    }
    await broker?.restart();
    const { refused, retries } = await delivered;
    await output.close();
    expect(refused.size).toBe(0);
    expect(retries).toBeGreaterThan(0);
    await witness.close();
    const records = await readTopic(kafka.bootstrap, "cdc.killed.t");
    const seen = new Set<number>();
    const last = new Map<string, number>();
    let duplicates = 0;
    for (const { key, value } of records) {
      const number = Number(JSON.parse(`${value}`).rows[0][1]);
      const before = last.get(`${key}`) ?? -1;
      if (seen.has(number)) duplicates++;
      // The first time that each number is seen, its key's numbers must have come in order.
      else expect(number).toBeGreaterThan(before);
      last.set(`${key}`, Math.max(number, before));
      seen.add(number);
    }
    expect(seen.size).toBe(packets.length);
    // The batch in flight was repeated under its own numbers, so nothing stands there twice.
    expect(duplicates).toBe(0);
  },
  120_000,
);
