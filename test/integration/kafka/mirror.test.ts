import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createKafkaConsumer, createKafkaProducer } from "#src/clients/kafka/drivers.ts";
import type { KafkaRecord } from "#src/clients/kafka/port.ts";
import { consumerOptions } from "../../contract/kafka-consumer.ts";
import { newTopicName, patient, producerOptions } from "../../contract/kafka-producer.ts";
import { startKafka, useStarted } from "../../services/index.ts";
import { waitFor } from "../../support/index.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { startSample } from "../../support/sample-daemon.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** Two clusters of one broker each. */
const services = await useStarted("two Kafkas", async () => {
  const [from, to] = await Promise.all([startKafka({ heapMb: 256 }), startKafka({ heapMb: 256 })]);
  return { from, to, stop: () => Promise.all([from.stop(), to.stop()]) };
});

async function write(bootstrap: string, topic: string, partition: number, records: KafkaRecord[]) {
  const options = { ...producerOptions(bootstrap), recordBytesMax: 2 << 20 };
  const producer = patient(createKafkaProducer("kafkajs", options));
  const [result] = await producer.produce([{ topic, partition, records }]);
  await producer.close();
  expect(result?.filter((error) => error !== null)).toEqual([]);
}

const bytes = new Uint8Array([0, 255, 10, 128]);

function records(count: number, from: number): KafkaRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    key: i % 5 === 0 ? null : `k${i % 7}`,
    value: i % 11 === 0 ? null : i % 3 === 0 ? bytes : `v${from + i}`,
    headers:
      i % 2 === 0
        ? []
        : [
            ["h", "1"],
            ["h", bytes],
            ["", ""],
          ],
    timestamp: 1_700_000_000_000 + from + i,
  }));
}

services.test(
  "mirror.yaml keeps topic names, partitions, keys, headers, timestamps and the order of each",
  async ({ from, to }) => {
    const prefix = newTopicName("mirror");
    const topics = { [`${prefix}.a`]: 3, [`${prefix}.b`]: 1 };
    const peer = await kafkaPeer(from.bootstrap);
    for (const [topic, partitions] of Object.entries(topics)) {
      await peer.createTopic(topic, partitions);
      for (let p = 0; p < partitions; p++)
        await write(from.bootstrap, topic, p, records(300, p * 1000));
    }
    const sample = await startSample("etc/mirror.yaml", {
      env: { KAFKA_FROM: from.bootstrap, KAFKA_TO: to.bootstrap },
      edit: (text) =>
        text
          .replace("cdc[.]shop[.].*", `${prefix}[.].*`)
          .replace("topicPattern:", "refreshMs: 200\n    topicPattern:"),
    });
    try {
      await waitFor(() => sample.output("to").packets >= 1_200, {
        what: "1200 records",
        timeoutMs: 30_000,
      });
      // What is made, and what grows, while it runs comes along too.
      await peer.createTopic(`${prefix}.c`, 2);
      await write(from.bootstrap, `${prefix}.c`, 1, records(50, 0));
      // With its batch this is all that a topic takes by default.
      const largest = {
        key: null,
        value: "x".repeat(1_048_500),
        headers: [],
        timestamp: 1_700_000_000_000,
      };
      await write(from.bootstrap, `${prefix}.c`, 0, [largest]);
      await peer.growTopic(`${prefix}.b`, 4);
      await waitFor(
        () =>
          write(from.bootstrap, `${prefix}.b`, 3, records(50, 9_000)).then(
            () => true,
            () => false,
          ),
        { what: "the new partition to be written to" },
      );
      await waitFor(() => sample.output("to").packets >= 1_301, {
        what: "1301 records",
        timeoutMs: 30_000,
      });
    } finally {
      expect(await sample.end()).toBe(0);
      await peer.close();
    }
    for (const topic of [`${prefix}.a`, `${prefix}.b`, `${prefix}.c`]) {
      const [source, copy] = [
        await readTopic(from.bootstrap, topic),
        await readTopic(to.bootstrap, topic),
      ];
      const shown = (all: typeof source) =>
        all
          .map(({ partition, offset, key, value, headers, timestamp }) => ({
            ...{ partition, offset: Number(offset), key: key && `${key}`, timestamp },
            value: value?.toString("hex") ?? null,
            headers: Bun.inspect(headers),
          }))
          .toSorted((a, b) => a.partition - b.partition || a.offset - b.offset);
      expect(shown(copy)).toEqual(shown(source));
    }
  },
  90_000,
);

services.test(
  "sub.yaml writes the JSON values of two topics as lines, and commits to its group",
  async ({ from }) => {
    const prefix = newTopicName("sub");
    const peer = await kafkaPeer(from.bootstrap);
    for (const name of ["orders", "customers"]) {
      await peer.createTopic(`${prefix}.${name}`, 2);
      await peer.produceByKey(`${prefix}.${name}`, ["a", "b", "c"], `{"of":"${name}"}`);
    }
    await peer.produceByKey(`${prefix}.orders`, ["x"], "no JSON");
    await peer.close();
    const sample = await startSample("etc/sub.yaml", {
      env: { KAFKA_BROKER: from.bootstrap },
      edit: (text) => text.replaceAll("cdc.shop", prefix).replace("dbus-sub", prefix),
    });
    try {
      await waitFor(() => sample.output("lines").packets >= 6, {
        what: "6 lines",
        timeoutMs: 30_000,
      });
      await waitFor(() => sample.daemon.admin.stat().deadLetters === 1, { what: "a dead letter" });
      const lines = (await sample.lines("lines")) as { of: string }[];
      expect(lines.map(({ of }) => of).toSorted()).toEqual([
        ...["customers", "customers", "customers", "orders", "orders", "orders"],
      ]);
    } finally {
      expect(await sample.end()).toBe(0);
    }
    const consumer = createKafkaConsumer("kafkajs", consumerOptions(from.bootstrap));
    const committed = await consumer.committed(prefix);
    await consumer.close();
    expect(committed.reduce((sum, { offset }) => sum + offset, 0)).toBe(7);
  },
  60_000,
);

services.test(
  "listener.yaml writes every topic of a cluster into a file of its own",
  async ({ to }) => {
    const prefix = newTopicName("listen");
    const peer = await kafkaPeer(to.bootstrap);
    for (const name of ["a", "b"]) {
      await peer.createTopic(`${prefix}.${name}`, 2);
      await peer.produceByKey(`${prefix}.${name}`, ["x", "y", "z"], name);
    }
    await peer.close();
    const folder = tempDir("listener");
    const sample = await startSample("etc/listener.yaml", {
      env: { KAFKA_BROKER: to.bootstrap },
      edit: (text) => text.replace("data/listener", folder),
    });
    const linesOf = (name: string) =>
      readFileSync(join(folder, `${prefix}.${name}.ndjson`), "utf8")
        .trim()
        .split("\n");
    try {
      const whole = () => linesOf("a").length === 3 && linesOf("b").length === 3;
      await waitFor(whole, { what: "both files", timeoutMs: 30_000 });
    } finally {
      expect(await sample.end()).toBe(0);
    }
    for (const line of linesOf("b")) {
      expect(Buffer.from(JSON.parse(line).bytes, "base64").toString()).toBe("b");
    }
  },
  60_000,
);
