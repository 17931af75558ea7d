import { expect } from "bun:test";
import { createKafkaProducer } from "#src/clients/kafka/drivers.ts";
import type { KafkaProducer, KafkaRecord, PartitionResult } from "#src/clients/kafka/port.ts";
import { systemClock } from "#src/clock.ts";
import { newTopicName, patient, producerOptions, recordOf } from "../../contract/kafka-producer.ts";
import { startKafka, useStarted } from "../../services/index.ts";
import { type AddedToxic, type FaultProxy, faultProxy } from "../../support/fault-proxy.ts";
import { holdsFor, waitFor } from "../../support/index.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { readTopic } from "../../support/kafka-read.ts";

const services = await useStarted("kafka behind a proxy", async () => {
  let port = 0;
  const proxy = await faultProxy(() => ({ port }), { seed: 29, protocol: "kafka" });
  const properties = {
    "advertised.listeners": `PLAINTEXT://127.0.0.1:${proxy.port}`,
    // A broker forgets after a day, unless told, who wrote to a partition, and looks every 10 min.
    "producer.id.expiration.ms": "3000",
    "producer.id.expiration.check.interval.ms": "200",
  };
  const kafka = await startKafka({ properties });
  port = kafka.brokers[0]?.port ?? 0;
  return { proxy, direct: kafka.bootstrap };
});

/** The key of Produce requests. */
const produce = 0;

type Around = {
  /** The next batch gets to the broker, and its answer to nobody. */
  loseAnswer(): AddedToxic;
  readonly producer: KafkaProducer;
  readonly topic: string;
  readonly bootstrap: string;
  /** The values of the topic, in order. */
  read(): Promise<string[]>;
};

async function withTopic(proxy: FaultProxy, use: (around: Around) => Promise<void>): Promise<void> {
  const bootstrap = `127.0.0.1:${proxy.port}`;
  const loseAnswer = () => proxy.add({ type: "swallow_reply", to: { apiKey: produce } });
  const producer = patient(createKafkaProducer("kafkajs", producerOptions(bootstrap)));
  const peer = await kafkaPeer(bootstrap);
  const topic = newTopicName("ambiguous");
  try {
    await peer.createTopic(topic, 1);
    await producer.connect();
    await producer.partitionCount(topic);
    const read = async () => (await readTopic(bootstrap, topic)).map(({ value }) => `${value}`);
    await use({ loseAnswer, producer, topic, bootstrap, read });
  } finally {
    await producer.close();
    await peer.close();
  }
}

/** Of now: a broker counts from the newest record how long it has not heard of a producer. */
const records = (...values: string[]) =>
  values.map((value) => ({ ...recordOf("k", value), timestamp: systemClock.wall() }));
const send = async ({ producer, topic }: Around, batch: readonly KafkaRecord[]) => {
  const [result] = await producer.produce([{ topic, partition: 0, records: batch }]);
  return (result as PartitionResult).map((error) => error?.code ?? null);
};

services.test(
  "a batch whose answer was lost is not written twice when it is given again (fault 29)",
  ({ proxy }) =>
    withTopic(proxy, async (around) => {
      expect(await send(around, records("0"))).toEqual([null]);
      const batch = records("1", "2");
      const lost = around.loseAnswer();
      expect(await send(around, batch)).toEqual(["KAFKA_REQUEST_FAILED", "KAFKA_REQUEST_FAILED"]);
      expect(lost.acted).toBe(1);
      expect(await send(around, [...batch, ...records("3")])).toEqual([null, null, null]);
      expect(await send(around, records("4"))).toEqual([null]);
      expect(await around.read()).toEqual(["0", "1", "2", "3", "4"]);
    }),
);

services.test("nor when the answer is lost several times over", ({ proxy }) =>
  withTopic(proxy, async (around) => {
    const batch = records("1", "2", "3");
    for (let i = 0; i < 4; i++) {
      const lost = around.loseAnswer();
      expect(await send(around, batch)).toContain("KAFKA_REQUEST_FAILED");
      expect(lost.acted).toBe(1);
    }
    expect(await send(around, batch)).toEqual([null, null, null]);
    expect(await around.read()).toEqual(["1", "2", "3"]);
  }),
);

services.test(
  "given again as other records it may stand there twice, but in order and not stuck",
  ({ proxy }) =>
    withTopic(proxy, async (around) => {
      expect(await send(around, records("0"))).toEqual([null]);
      around.loseAnswer();
      await send(around, records("1", "2"));
      expect(await send(around, records("1", "2", "3"))).toEqual([null, null, null]);
      expect(await send(around, records("4"))).toEqual([null]);
      expect(await around.read()).toEqual(["0", "1", "2", "1", "2", "3", "4"]);
    }),
);

services.test(
  "a topic that was deleted and made anew is written on, under new numbers (fault 30)",
  ({ proxy, direct }) =>
    withTopic(proxy, async (around) => {
      await send(around, records("0", "1", "2"));
      const peer = await kafkaPeer(direct);
      await peer.deleteTopic(around.topic);
      await peer.createTopic(around.topic, 1);
      await peer.close();
      const batch = records("3");
      await waitFor(async () => (await send(around, batch))[0] === null, {
        what: "the new topic to be written",
      });
      expect(await send(around, records("4"))).toEqual([null]);
      expect(await around.read()).toEqual(["3", "4"]);
    }),
);

services.test(
  "a broker that has forgotten producer and records is written to, nothing twice (fault 30)",
  ({ proxy, direct }) =>
    withTopic(proxy, async (around) => {
      await send(around, records("0", "1"));
      await send(around, records("2"));
      const peer = await kafkaPeer(direct);
      await peer.deleteRecords(around.topic, 0);
      await peer.close();
      // Longer than the broker remembers; it says to nobody that it has forgotten.
      await holdsFor(() => true, { ms: 3_600, what: "the producer's silence" });
      const lost = around.loseAnswer();
      const batch = records("3");
      expect(await send(around, batch)).toEqual(["KAFKA_REQUEST_FAILED"]);
      expect(lost.acted).toBe(1);
      expect(await send(around, [...batch, ...records("4")])).toEqual([null, null]);
      expect(await around.read()).toEqual(["3", "4"]);
    }),
);

services.test(
  "an advertised address that nobody can reach is named, and used again when it can (fault 42)",
  async ({ proxy, direct }) => {
    const topic = newTopicName("advertised");
    const peer = await kafkaPeer(direct);
    await peer.createTopic(topic, 1);
    await peer.close();
    const away = proxy.add({ type: "refuse" });
    const producer = createKafkaProducer("kafkajs", producerOptions(direct));
    await producer.connect();
    const batch = records("1");
    const send = async () => {
      const [result] = await producer.produce([{ topic, partition: 0, records: batch }]);
      return result?.[0];
    };
    // A topic that is new may have no leader yet.
    const refused = await waitFor(
      async () => {
        const error = await send();
        return error?.code === "KAFKA_NOT_LEADER" ? undefined : error;
      },
      { what: "the topic to have a leader" },
    );
    expect(refused.code).toBe("KAFKA_UNREACHABLE");
    expect(refused.message).toContain(`127.0.0.1:${proxy.port}`);
    expect(refused.message).toContain("advertises");
    away.remove();
    await waitFor(async () => (await send()) === null, { what: "the record to be written" });
    await producer.close();
  },
);
