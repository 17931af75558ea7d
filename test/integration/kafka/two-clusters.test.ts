import { expect } from "bun:test";
import { newTopicName } from "../../contract/kafka-producer.ts";
import { startKafka, useStarted } from "../../services/index.ts";
import { holdsFor, waitFor } from "../../support/index.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { type SampleDaemon, startSample, startText } from "../../support/sample-daemon.ts";

const services = await useStarted("two Kafkas", async () => {
  const [a, b] = await Promise.all([startKafka({ heapMb: 256 }), startKafka({ heapMb: 256 })]);
  return { a: a.bootstrap, b: b.bootstrap, brokerOfB: b.brokers[0] };
});

const count = 200;
const keysOf = (name: string, from = 0) =>
  Array.from({ length: count }, (_, i) => `${name}${from + i}`);

async function write(bootstrap: string, topic: string, keys: readonly string[]): Promise<void> {
  const peer = await kafkaPeer(bootstrap);
  await peer.produceByKey(topic, keys);
  await peer.close();
}

async function create(bootstrap: string, topic: string): Promise<void> {
  const peer = await kafkaPeer(bootstrap);
  await peer.createTopic(topic, 2);
  await peer.close();
}

/** The sample as it is, with what its comment says of two directions. */
const mirror = (from: string, to: string, prefix: string) =>
  startSample("etc/mirror.yaml", {
    env: { KAFKA_FROM: from, KAFKA_TO: to },
    edit: (text) =>
      text
        .replace("cdc[.]shop[.].*", `${prefix}[.].*`)
        .replace("topicPattern:", "refreshMs: 200\n    topicPattern:")
        .replace("# provenance: true", "provenance: true"),
  });

const leftOut = (mirror: SampleDaemon) => mirror.output("to").leftOut;

services.test(
  "fault 43: two mirrors in opposite directions bring each record over once, and none back",
  async ({ a, b }) => {
    const prefix = newTopicName("both");
    const topic = `${prefix}.t`;
    for (const bootstrap of [a, b]) await create(bootstrap, topic);
    await write(a, topic, keysOf("a"));
    const mirrors = [await mirror(a, b, prefix), await mirror(b, a, prefix)] as const;
    try {
      await write(b, topic, keysOf("b"));
      // Each meets its own records and those of the other, which it leaves where they came from.
      const all = () => mirrors.every((one) => one.input("from").packets >= 2 * count);
      await waitFor(all, { what: "each mirror to have read both", timeoutMs: 30_000 });
      const done = () => mirrors.every((one) => leftOut(one) === count);
      await waitFor(done, { what: "each to have left out what came from there" });
      const still = () => mirrors.every((one) => one.output("to").packets === 2 * count);
      await waitFor(still, { what: "each to have settled all that it read" });
      await holdsFor(still, { ms: 1_500, what: "nothing to go round" });
    } finally {
      for (const one of mirrors) expect(await one.end()).toBe(0);
    }
    for (const bootstrap of [a, b]) {
      const records = await readTopic(bootstrap, topic);
      expect(records.map(({ key }) => `${key}`).toSorted()).toEqual(
        [...keysOf("a"), ...keysOf("b")].toSorted(),
      );
      const own = bootstrap === a ? "a" : "b";
      const marked = records.filter(({ headers }) => headers?.["dbus-via"] !== undefined);
      expect(marked).toHaveLength(count);
      expect(marked.every(({ key }) => !`${key}`.startsWith(own))).toBe(true);
    }
    const said = mirrors[0].log.entries.filter(({ message }) => /left out/.test(message));
    expect(said).toHaveLength(1);
  },
  90_000,
);

services.test(
  "fault 43: while one of two clusters is gone the other gets all, and it gets the rest later",
  async ({ a, b, brokerOfB }) => {
    const topic = newTopicName("split");
    await create(a, topic);
    await write(a, topic, keysOf("k"));
    const output = (name: string, bootstrap: string, more: object) => ({
      ...{ name, plugin: "KafkaOutput", match: "*", brokers: [bootstrap] },
      ...{ topic: `\${ident}.copy`, partition: "source", headers: false },
      ...{ batch: { lingerMs: 10 }, ...more },
    });
    const buffer = { kind: "disk", bytesMax: 64 << 20 };
    const sample = await startText(
      JSON.stringify({
        // Far less than what comes while the one is gone.
        bus: { window: { packets: 100, bytes: 1 << 20 } },
        inputs: [
          {
            ...{ name: "in", plugin: "KafkaInput", brokers: [a], topics: [topic] },
            ...{ refreshMs: 500 },
          },
        ],
        outputs: [output("near", a, {}), output("far", b, { buffer, requestTimeoutMs: 2_000 })],
      }),
    );
    try {
      const both = () => ["near", "far"].every((name) => sample.output(name).packets === count);
      await waitFor(both, { what: "both to have the first", timeoutMs: 30_000 });
      brokerOfB?.kill("SIGKILL");
      for (let from = count; from < 6 * count; from += count) {
        await write(a, topic, keysOf("k", from));
      }
      await waitFor(() => sample.output("near").packets === 6 * count, {
        what: "the near one to have all",
        timeoutMs: 60_000,
      });
      const { note, state } = await waitFor(
        () => (sample.output("far").note ? sample.output("far") : undefined),
        { what: "the far one to say that it cannot" },
      );
      expect([state, note]).toEqual(["running", expect.stringContaining("retrying: ")]);
      expect(sample.output("near").note).toBe(null);
      await brokerOfB?.restart();
      await waitFor(() => sample.output("far").packets === 6 * count, {
        what: "the far one to have the rest",
        timeoutMs: 60_000,
      });
    } finally {
      expect(await sample.end()).toBe(0);
    }
    const shown = async (bootstrap: string) =>
      (await readTopic(bootstrap, `${topic}.copy`))
        .map(({ partition, key }) => `${partition} ${key}`)
        .toSorted();
    const far = await shown(b);
    expect(far).toHaveLength(6 * count);
    expect(far).toEqual(await shown(a));
  },
  120_000,
);
