import { expect } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { kafkaOutput } from "#plugins/output/kafka/kafka-output.ts";
import { createKafkaProducer } from "#src/clients/kafka/drivers.ts";
import { newTopicName, patient, producerOptions, recordOf } from "../../contract/kafka-producer.ts";
import { startKafka, useStarted } from "../../services/index.ts";
import { driveOutput } from "../../support/drive-output.ts";
import { waitFor } from "../../support/index.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
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

services.test(
  "a broker that hangs and wakes up late writes nothing twice and nothing out of order",
  async (kafka) => {
    const table = noteTable("hung", "t");
    const output = await driveOutput(kafkaOutput, {
      brokers: kafka.bootstrap.split(","),
      createTopics: { partitions: 1, replicationFactor: 1 },
      requestTimeoutMs: 1_500,
      connectTimeoutMs: 1_000,
    });
    const packets = Array.from({ length: 300 }, (_, i) => {
      return notePacket(table, "I", { after: [i % 10, `${i}`] }, i);
    });
    const [broker] = kafka.brokers;
    await output.deliver(packets.slice(0, 100));
    broker?.kill("SIGSTOP");
    // The broker has this batch in its socket, and writes it when it goes on.
    const verdicts = await output.write(packets.slice(100, 200));
    expect(verdicts.every((verdict) => verdict !== "done" && "retryAfterMs" in verdict)).toBe(true);
    broker?.kill("SIGCONT");
    await output.deliver(packets.slice(100), { delayMs: 100 });
    await output.close();
    const records = await readTopic(kafka.bootstrap, "cdc.hung.t");
    const notes = records.map(({ value }) => Number(JSON.parse(`${value}`).rows[0][1]));
    expect(notes).toEqual([...packets.keys()]);
  },
);

services.test("an output whose broker hangs is closed at once", async (kafka) => {
  const table = noteTable("closing", "t");
  const output = await driveOutput(kafkaOutput, { brokers: kafka.bootstrap.split(",") });
  const packets = [notePacket(table, "I", { after: [1, "a"] })];
  await output.deliver(packets);
  const [broker] = kafka.brokers;
  broker?.kill("SIGSTOP");
  try {
    const writing = output.write(packets);
    // The request leaves in the next turns of the loop; the answer never comes.
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
    const before = performance.now();
    await output.close();
    const [verdict] = await writing;
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(verdict).toMatchObject({ retryAfterMs: expect.any(Number) });
  } finally {
    broker?.kill("SIGCONT");
  }
});

/** The log of a topic's only partition, and where each batch of it begins. */
function logOf(home: string, topic: string) {
  const dir = join(home, "data", `${topic}-0`);
  const file = join(dir, "00000000000000000000.log");
  const bytes = readFileSync(file);
  const starts: number[] = [];
  // Each batch is its base offset in eight bytes, the length of the rest in four, and the rest.
  for (let at = 0; at + 12 <= bytes.length; at += 12 + bytes.readInt32BE(at + 8)) starts.push(at);
  return { dir, file, bytes, starts };
}

/** Cuts the last batch off, as a disk does that had not synced it. */
function loseLastBatch(home: string, topic: string): void {
  const { dir, file, starts } = logOf(home, topic);
  truncateSync(file, starts.at(-1));
  for (const name of readdirSync(dir)) if (name.endsWith(".snapshot")) rmSync(join(dir, name));
}

/** The producer's epoch and first sequence of each batch: where format 2 has them. */
function numbersOf(home: string, topic: string): (readonly [epoch: number, sequence: number])[] {
  const { bytes, starts } = logOf(home, topic);
  return starts.map((at) => [bytes.readInt16BE(at + 51), bytes.readInt32BE(at + 53)]);
}

services.test(
  "a broker that lost the end of its log is written to, under new numbers, in order (fault 30)",
  async ({ bootstrap, brokers: [broker] }) => {
    const topic = newTopicName("cut");
    const peer = await kafkaPeer(bootstrap);
    await peer.createTopic(topic, 1);
    await peer.close();
    const producer = patient(createKafkaProducer("kafkajs", producerOptions(bootstrap)));
    await producer.connect();
    const write = async (value: string) => {
      // A broker that starts forgets who wrote what, by the timestamps of records, is a day old.
      const records = [{ ...recordOf("k", value), timestamp: Date.now() }];
      const written = async () => {
        const [[error] = []] = await producer.produce([{ topic, partition: 0, records }]);
        return !error;
      };
      await waitFor(written, { what: `${value} to be written`, timeoutMs: 30_000 });
    };
    for (const value of ["0", "1", "2"]) await write(value);
    const { pid } = broker!;
    const home = readlinkSync(`/proc/${pid}/cwd`);
    broker!.kill("SIGKILL");
    await waitFor(() => !existsSync(`/proc/${pid}`), { what: "the broker to be gone" });
    loseLastBatch(home, topic);
    await broker!.restart();
    for (const value of ["3", "4"]) await write(value);
    await producer.close();
    // The broker knows 1 for the last, so 3 came to it as number 3 in vain, and then as the first.
    const numbers = numbersOf(home, topic);
    const [epoch = 0] = numbers[0] ?? [];
    expect(numbers.slice(0, 2)).toEqual([0, 1].map((sequence) => [epoch, sequence]));
    expect(numbers.slice(2)).toEqual([0, 1].map((sequence) => [epoch + 1, sequence]));
    // What the broker lost after it had acknowledged it nobody has any more; all else is in order.
    const values = (await readTopic(bootstrap, topic)).map(({ value }) => `${value}`);
    expect(values).toEqual(["0", "1", "3", "4"]);
  },
  120_000,
);
