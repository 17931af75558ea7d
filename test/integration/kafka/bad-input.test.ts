import { expect } from "bun:test";
import { newTopicName } from "../../contract/kafka-producer.ts";
import { startKafka, useServices, useStarted } from "../../services/index.ts";
import { waitFor } from "../../support/index.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { type SampleDaemon, startText } from "../../support/sample-daemon.ts";

const services = await useServices("kafka");
/** No name may have a part of more than 63 letters, so nobody has to be asked for it. */
const nowhere = `${"nowhere-".repeat(9)}.invalid`;
const misled = await useStarted("kafka that advertises a host that is none", async () => {
  const properties = { "advertised.listeners": `PLAINTEXT://${nowhere}:9092` };
  return { bootstrap: (await startKafka({ heapMb: 256, properties })).bootstrap };
});

const keys = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `k${from + i}`);

async function topicOf(bootstrap: string, partitions: number, records = 0): Promise<string> {
  const topic = newTopicName("bad");
  const peer = await kafkaPeer(bootstrap);
  await peer.createTopic(topic, partitions);
  if (records > 0) await peer.produceByKey(topic, keys(records));
  await peer.close();
  return topic;
}

/** A dbusd from Kafka to Kafka, or to a file where no output is told. */
function start(input: object, output?: object): Promise<SampleDaemon> {
  const quick = { refreshMs: 200, fetchWaitMs: 100 };
  const sink = output ? { plugin: "KafkaOutput", ...output } : { plugin: "StreamOutput" };
  return startText(
    JSON.stringify({
      inputs: [{ name: "in", plugin: "KafkaInput", ...quick, ...input }],
      outputs: [{ name: "out", match: "*", batch: { lingerMs: 10 }, ...sink }],
    }),
  );
}

async function using(started: Promise<SampleDaemon>, use: (sample: SampleDaemon) => Promise<void>) {
  const sample = await started;
  try {
    await use(sample);
  } finally {
    expect(await sample.end()).toBe(0);
  }
}

const written = (sample: SampleDaemon, count: number) =>
  waitFor(() => sample.output("out").packets === count, { what: `${count} packets` });

services.test("a dead broker in both lists holds up nobody", async ({ kafka }) => {
  const brokers = ["127.0.0.1:1", kafka.bootstrap];
  const topic = await topicOf(kafka.bootstrap, 2, 50);
  const copy = `${topic}.copy`;
  await using(start({ brokers, topics: [topic] }, { brokers, topic: copy }), async (sample) => {
    await written(sample, 50);
    expect([sample.input("in").note, sample.output("out").note]).toEqual([null, null]);
  });
  expect(await readTopic(kafka.bootstrap, copy)).toHaveLength(50);
});

services.test(
  "a mirror of a cluster onto itself is told and writes nothing, by whichever address it goes there",
  async ({ kafka }) => {
    const topic = await topicOf(kafka.bootstrap, 2, 50);
    const brokers = [kafka.bootstrap.replace("127.0.0.1", "localhost")];
    const output = { brokers, topic: "${ident}", partition: "source", headers: false };
    const input = { brokers: [kafka.bootstrap], topics: [topic] };
    await using(start(input, output), async (sample) => {
      const note = `retrying: KAFKA_LOOP: in reads topic ${topic} of the same cluster`;
      await waitFor(() => sample.output("out").note === note, { what: "a note" });
      expect(sample.output("out")).toMatchObject({ packets: 0, failed: 0 });
      expect(sample.input("in").packets).toBe(50);
    });
    expect(await readTopic(kafka.bootstrap, topic)).toHaveLength(50);
    // Another topic of it is what many want.
    await using(start(input, { ...output, topic: `${topic}.copy` }), (sample) =>
      written(sample, 50).then(() => {}),
    );
  },
);

services.test(
  "a pattern that matches nothing is waited for, and read once there is a topic",
  async ({ kafka }) => {
    const topic = newTopicName("later");
    const brokers = [kafka.bootstrap];
    await using(start({ brokers, topicPattern: `${topic}.*`, start: "latest" }), async (sample) => {
      await waitFor(
        () => sample.input("in").note === `waiting for a topic that matches ${topic}.*`,
        {
          what: "a note",
        },
      );
      const warned = sample.log.entries.filter(({ level }) => level === "warn");
      expect(warned.map(({ message }) => message)).toEqual([
        "no topic matches topicPattern; it is looked for again",
      ]);
      const peer = await kafkaPeer(kafka.bootstrap);
      await peer.createTopic(`${topic}.a`, 1);
      await peer.produceByKey(`${topic}.a`, keys(10));
      await peer.close();
      await written(sample, 10);
      expect(sample.input("in").note).toBe(null);
    });
  },
);

for (const [onPositionLost, to] of [
  ["fail", undefined],
  ["earliest", 0],
  ["latest", 20],
] as const) {
  services.test(`an offset that is out of range, ${onPositionLost}`, async ({ kafka }) => {
    const topic = await topicOf(kafka.bootstrap, 1, 20);
    const brokers = [kafka.bootstrap];
    const key = { input: "in", resource: "", partition: `${topic}/0` };
    await using(start({ brokers, topics: [topic], onPositionLost }), async (sample) => {
      const { admin } = sample.daemon;
      await written(sample, 20);
      const { resource } = sample.input("in");
      await admin.setCheckpoint({ ...key, resource }, { offset: 1_000 });
      if (to === undefined) {
        await waitFor(() => sample.input("in").state === "blocked", { what: "it to stop" });
        const { lastError } = sample.input("in");
        expect(lastError?.code).toBe("POSITION_LOST");
        expect(lastError?.message).toContain(`offset 1000 of ${topic}/0 is gone: it ends at 20`);
        expect(admin.gaps()).toEqual([]);
        return;
      }
      await waitFor(() => admin.gaps().length === 1, { what: "a gap" });
      const [gap] = admin.gaps();
      expect(gap).toMatchObject({ input: "in", partition: `${topic}/0` });
      const offsetOf = (text = "{}") => JSON.parse(text).offset;
      expect([offsetOf(gap?.from), offsetOf(gap?.to)]).toEqual([1_000, to]);
      const peer = await kafkaPeer(kafka.bootstrap);
      await peer.produceByKey(topic, keys(5, 20));
      await peer.close();
      await written(sample, 20 + 25 - to);
    });
  });
}

for (const [onInvalid, count, letters] of [
  ["deadletter", 2, 1],
  ["bytes", 3, 0],
  ["fail", 1, 0],
] as const) {
  services.test(
    `a record that is not JSON where JSON was said, ${onInvalid}`,
    async ({ kafka }) => {
      const topic = await topicOf(kafka.bootstrap, 1);
      const peer = await kafkaPeer(kafka.bootstrap);
      for (const value of ["[1]", "{nonsense", "[3]"]) await peer.produceByKey(topic, ["k"], value);
      await peer.close();
      const input = { brokers: [kafka.bootstrap], topics: [topic], format: "json", onInvalid };
      await using(start(input), async (sample) => {
        await written(sample, count);
        const { admin } = sample.daemon;
        await waitFor(() => admin.stat().deadLetters === letters, { what: "the dead letters" });
        if (onInvalid !== "fail") return expect(sample.input("in").state).toBe("running");
        await waitFor(() => sample.input("in").state === "blocked", { what: "it to stop" });
        const { lastError } = sample.input("in");
        expect(lastError?.code).toBe("KAFKA_VALUE_INVALID");
        expect(lastError?.message).toContain(`${topic}/0 at offset 1`);
        expect(JSON.stringify([lastError, sample.log.entries])).not.toContain("nonsense");
      });
    },
  );
}

services.test(
  "a fixed partition takes everything, and is made where it may be",
  async ({ kafka }) => {
    const from = await topicOf(kafka.bootstrap, 2, 40);
    const input = { brokers: [kafka.bootstrap], topics: [from] };
    const output = { brokers: [kafka.bootstrap], partition: 3 };
    for (const partitions of [0, 2, 5]) {
      const topic =
        partitions > 0 ? await topicOf(kafka.bootstrap, partitions) : newTopicName("new");
      await using(start(input, { ...output, topic }), async (sample) =>
        written(sample, 40).then(() => {}),
      );
      const records = await readTopic(kafka.bootstrap, topic);
      expect(records.map(({ partition }) => partition)).toEqual(Array(40).fill(3));
    }
  },
);

services.test(
  "a fixed partition that is not there and may not be made is waited for",
  async ({ kafka }) => {
    const from = await topicOf(kafka.bootstrap, 1, 20);
    const topic = await topicOf(kafka.bootstrap, 2);
    const brokers = [kafka.bootstrap];
    const output = { brokers, topic, partition: 3, createTopics: false };
    await using(start({ brokers, topics: [from] }, output), async (sample) => {
      const note = `retrying: KAFKA_TOPIC_MISSING: topic ${topic} has 2 partitions, and 4 are needed`;
      await waitFor(() => sample.output("out").note === note, { what: "a note" });
      expect(sample.output("out")).toMatchObject({ state: "running", packets: 0, failed: 0 });
      const peer = await kafkaPeer(kafka.bootstrap);
      await peer.growTopic(topic, 4);
      await peer.close();
      await written(sample, 20);
    });
    const records = await readTopic(kafka.bootstrap, topic);
    expect(records.map(({ partition }) => partition)).toEqual(Array(20).fill(3));
  },
);

misled.test(
  "an advertised host that does not resolve is named (fault 42)",
  async ({ bootstrap }) => {
    const sample = await startText(
      JSON.stringify({
        inputs: [{ name: "rows", plugin: "MockInput", payload: "rows", count: 1 }],
        outputs: [
          {
            name: "out",
            plugin: "KafkaOutput",
            match: "rows",
            brokers: [bootstrap],
            topic: "made",
          },
        ],
      }),
    );
    try {
      const told = () => sample.output("out").note?.includes(nowhere);
      await waitFor(told, { what: "the output to name the host", timeoutMs: 30_000 });
      expect(sample.output("out").note).toContain("advertises");
      expect(sample.output("out")).toMatchObject({ state: "running", packets: 0, failed: 0 });
    } finally {
      expect(await sample.end()).toBe(0);
    }
  },
);
