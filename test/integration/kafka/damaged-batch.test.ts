import { expect } from "bun:test";
import { newTopicName } from "../../contract/kafka-producer.ts";
import { startKafka, useStarted } from "../../services/index.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { waitFor } from "../../support/index.ts";
import { changeBatch, flipBit, unknownCodec } from "../../support/kafka-log.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { startText } from "../../support/sample-daemon.ts";
import { tempDir } from "../../support/temp-dir.ts";

const services = await useStarted("kafka", async () => {
  const kafka = await startKafka({ heapMb: 256 });
  const broker = kafka.brokers[0];
  if (!broker) throw new Error("there is no broker");
  return { bootstrap: kafka.bootstrap, broker };
});

const keys = (from: number) => Array.from({ length: 10 }, (_, i) => `k${from + i}`);

/** A topic of one partition with three batches of ten records. */
async function threeBatches(bootstrap: string): Promise<string> {
  const topic = newTopicName("damaged");
  const peer = await kafkaPeer(bootstrap);
  await peer.createTopic(topic, 1);
  for (const from of [0, 10, 20]) await peer.produceByKey(topic, keys(from), "v");
  await peer.close();
  return topic;
}

const configOf = (bootstrap: string, topic: string, more: object = {}) =>
  JSON.stringify({
    inputs: [
      {
        ...{ name: "in", plugin: "KafkaInput", brokers: [bootstrap], topics: [topic] },
        ...{ fetchWaitMs: 100, ...more },
      },
    ],
    outputs: [
      { name: "out", plugin: "StreamOutput", match: "*", batch: { lingerMs: 10 }, retry: {} },
    ],
  });

for (const [what, change, code] of [
  ["that is wrong on the broker's disk", flipBit, "KAFKA_RECORD_CORRUPT"],
  ["of a codec that nobody knows", unknownCodec, "KAFKA_UNSUPPORTED"],
] as const) {
  services.test(
    `fault 41: a batch ${what} stops its input with the place, or is a dead letter`,
    async ({ bootstrap, broker }) => {
      const topic = await threeBatches(bootstrap);
      changeBatch(broker, { topic, partition: 0, batch: 1 }, change);
      const dir = tempDir("damaged");
      const keysIn = (lines: readonly unknown[]) =>
        (lines as { key: string }[]).map(({ key }) => Buffer.from(key, "base64").toString());

      const first = await startText(configOf(bootstrap, topic), "test.yaml", {}, dir);
      await waitFor(() => first.input("in").state === "blocked", { what: "the input to stop" });
      const { lastError } = first.input("in");
      expect(lastError?.code).toBe(code);
      expect(lastError?.message).toContain(`${topic}/0 at offset 10`);
      await waitFor(() => first.output("out").packets === 10, { what: "what lies before it" });
      expect(first.daemon.admin.stat()).toMatchObject({ deadLetters: 0, gaps: 0 });
      await first.daemon.stop("to go on under another policy");
      await first.daemon.done;

      const policy = { onCorrupt: "deadletter" };
      const second = await startText(configOf(bootstrap, topic, policy), "test.yaml", {}, dir);
      try {
        await waitFor(() => second.output("out").packets === 10, { what: "what lies behind it" });
        const [letter, ...others] = second.daemon.admin.deadLetters({ limit: 10 });
        expect(others).toEqual([]);
        expect(letter).toMatchObject({ code, partition: `${topic}/0`, input: "in" });
        expect(letter?.reason).toContain(`${topic}/0 at offset 10`);
        expect(letter?.reason).toContain("offsets 10 to 19 were passed over");
        expect(keysIn(await second.lines("out"))).toEqual([...keys(0), ...keys(20)]);
        await waitFor(
          async () => {
            const [at] = await second.daemon.admin.checkpoints();
            return JSON.parse(at?.position ?? "{}").offset === 30;
          },
          { what: "the checkpoint behind all of it" },
        );
      } finally {
        expect(await second.end()).toBe(0);
      }
    },
  );
}

services.test(
  "fault 41: a batch that came with a wrong byte is fetched again, and nothing is missed",
  async ({ bootstrap, broker }) => {
    const topic = newTopicName("byte");
    const peer = await kafkaPeer(bootstrap);
    await peer.createTopic(topic, 1);
    const proxy = await faultProxy({ port: broker.port }, { protocol: "kafka" });
    const sample = await startText(configOf(`127.0.0.1:${proxy.port}`, topic));
    try {
      await waitFor(async () => (await sample.daemon.admin.checkpoints()).length === 1, {
        what: "it to read",
      });
      // Only the connection that fetches brings so many bytes, and within the batch they are.
      const toxic = proxy.add(
        { type: "corrupt_byte", afterBytes: 100_000 },
        { direction: "downstream" },
      );
      await peer.produceByKey(topic, keys(0), "x".repeat(30_000));
      await waitFor(() => sample.output("out").packets === 10, { what: "all records" });
      expect(toxic.acted).toBe(1);
      const { log, daemon } = sample;
      expect(log.entries.filter(({ message }) => /came damaged/.test(message))).toHaveLength(1);
      expect(daemon.admin.stat()).toMatchObject({ deadLetters: 0, gaps: 0 });
      expect(sample.input("in").state).toBe("running");
    } finally {
      expect(await sample.end()).toBe(0);
      await proxy.close();
      await peer.close();
    }
  },
);
