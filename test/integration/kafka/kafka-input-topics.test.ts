import { expect } from "bun:test";
import { Kafka, logLevel } from "kafkajs";
import { createKafkaConsumer } from "#src/clients/kafka/drivers.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { consumerOptions } from "../../contract/kafka-consumer.ts";
import { newTopicName } from "../../contract/kafka-producer.ts";
import { useServices } from "../../services/index.ts";
import { waitFor } from "../../support/index.ts";
import { type KafkaBus, sink, startKafkaInput } from "../../support/kafka-input.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";

const services = await useServices("kafka");

const keys = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `k${from + i}`);

const base = (bootstrap: string) => ({
  brokers: bootstrap.split(","),
  fetchWaitMs: 100,
  commitMs: 100,
  refreshMs: 200,
  drainMs: 2_000,
});

const packetsOf = (bus: KafkaBus, topic: string) =>
  bus.sink.packets.filter(({ ident }) => ident === topic).length;

const lagOf = (bus: KafkaBus) => bus.admin.stat().inputs[0]?.lagRecords;

/** Kafka itself takes a moment to believe in a topic that was deleted and made again. */
async function writeTo(bootstrap: string, topic: string, names: readonly string[]): Promise<void> {
  const peer = await kafkaPeer(bootstrap);
  const written = () => peer.produceByKey(topic, names).then(() => true);
  await waitFor(written, { what: `${topic} to be written to`, intervalMs: 100 });
  await peer.close();
}

services.test(
  "a topic made anew with fewer partitions is read on, and so are those that come later",
  async ({ kafka }) => {
    const prefix = newTopicName("shrunk");
    const topic = `${prefix}.a`;
    const peer = await kafkaPeer(kafka.bootstrap);
    await peer.createTopic(topic, 3);
    await writeTo(kafka.bootstrap, topic, keys(30));
    const state = memoryState();
    const config = { ...base(kafka.bootstrap), topicPattern: `${prefix}[.].*` };
    const bus = await startKafkaInput({ config: { ...config, onPositionLost: "earliest" }, state });
    await waitFor(() => packetsOf(bus, topic) >= 30, { what: "30 packets" });
    // The input must not see that it is away: then it would begin it as a new one.
    await peer.deleteTopic(topic);
    await peer.createTopic(topic, 1).catch(() => {});
    await writeTo(kafka.bootstrap, topic, keys(10, 30));
    await waitFor(() => packetsOf(bus, topic) >= 40, { what: "the new one", timeoutMs: 20_000 });
    await peer.createTopic(`${prefix}.b`, 1);
    await writeTo(kafka.bootstrap, `${prefix}.b`, keys(5));
    await waitFor(() => packetsOf(bus, `${prefix}.b`) >= 5, { what: "a topic that came later" });
    await waitFor(() => lagOf(bus) === 0, { what: "a lag of nothing" });
    expect(bus.failures).toEqual([]);
    await peer.close();
    await bus.stop();
  },
);

services.test(
  "what a group was told of a topic does not count for the one that was made anew under its name",
  async ({ kafka }) => {
    const [topic, groupId] = [newTopicName("told"), newTopicName("told-group")];
    const peer = await kafkaPeer(kafka.bootstrap);
    await peer.createTopic(topic, 1);
    await writeTo(kafka.bootstrap, topic, keys(10));
    const state = memoryState();
    const never = { refreshMs: 3_600_000, onPositionLost: "earliest" };
    const config = { ...base(kafka.bootstrap), ...never, topics: [topic], groupId };
    const held = sink();
    held.block();
    // While these are in flight nothing is fetched, nor is it noticed that the topic is another one.
    const window = { packets: 10, bytes: 1 << 20 };
    const first = await startKafkaInput({ config, state, sink: held, window });
    await waitFor(() => first.admin.stat().inputs[0]?.inFlight === 10, { what: "10 packets" });
    await peer.deleteTopic(topic);
    await peer.createTopic(topic, 1).catch(() => {});
    await writeTo(kafka.bootstrap, topic, keys(20));
    held.unblock();
    const consumer = createKafkaConsumer("kafkajs", consumerOptions(kafka.bootstrap));
    await waitFor(async () => ((await consumer.committed(groupId))[0]?.offset ?? 0) >= 10, {
      what: "the group to be told",
    });
    await consumer.close();
    await first.stop();
    const second = await startKafkaInput({ config, state });
    await waitFor(() => second.sink.packets.length >= 20, { what: "all of the new one" });
    expect(state.gaps.list().map(({ to }) => JSON.parse(`${to}`))).toMatchObject([{ offset: 0 }]);
    await second.stop();
    await peer.close();
  },
);

services.test(
  "a topic of a pattern that is deleted keeps nobody from the others, nor the status from the truth",
  async ({ kafka }) => {
    const prefix = newTopicName("gone");
    const [gone, stays] = [`${prefix}.a`, `${prefix}.b`];
    const peer = await kafkaPeer(kafka.bootstrap);
    await peer.createTopic(gone, 1);
    await peer.createTopic(stays, 1);
    const config = { ...base(kafka.bootstrap), topicPattern: `${prefix}[.].*` };
    const bus = await startKafkaInput({ config });
    await writeTo(kafka.bootstrap, gone, keys(5));
    await waitFor(() => packetsOf(bus, gone) >= 5, { what: "packets" });
    await peer.deleteTopic(gone);
    bus.sink.block();
    await writeTo(kafka.bootstrap, stays, keys(3));
    await waitFor(() => bus.admin.stat().inputs[0]?.inFlight === 3, { what: "the others" });
    bus.sink.unblock();
    await waitFor(() => packetsOf(bus, stays) >= 3, { what: "the others" });
    await waitFor(() => lagOf(bus) === 0 && bus.admin.stat().inputs[0]?.note === null, {
      what: "nothing to be said against it",
      timeoutMs: 20_000,
    });
    await peer.close();
    await bus.stop();
  },
);

services.test(
  "a transaction that hangs is a lag, although nothing behind it may be read (fault 40)",
  async ({ kafka }) => {
    const topic = newTopicName("hanging");
    const peer = await kafkaPeer(kafka.bootstrap);
    await peer.createTopic(topic, 1);
    await peer.close();
    const client = new Kafka({
      clientId: "hangs",
      brokers: kafka.bootstrap.split(","),
      logLevel: logLevel.NOTHING,
    });
    const producer = client.producer({ transactionalId: topic, maxInFlightRequests: 1 });
    await producer.connect();
    const before = await producer.transaction();
    await before.send({ topic, messages: [{ value: "committed" }] });
    await before.commit();
    const bus = await startKafkaInput({ config: { ...base(kafka.bootstrap), topics: [topic] } });
    await waitFor(() => bus.sink.packets.length === 1, { what: "what is committed" });
    await waitFor(() => lagOf(bus) === 0, { what: "a lag of nothing" });
    const hanging = await producer.transaction();
    await hanging.send({ topic, messages: [{ value: "open" }] });
    await writeTo(kafka.bootstrap, topic, keys(7));
    await waitFor(() => lagOf(bus) === 8, { what: "a lag of eight records" });
    // Just written, and not as old as what was read before it.
    expect(bus.admin.stat().inputs[0]?.lagSeconds).toBeLessThan(20);
    expect(bus.sink.packets).toHaveLength(1);
    await hanging.abort();
    await waitFor(() => bus.sink.packets.length === 8, { what: "what was held back" });
    await waitFor(() => lagOf(bus) === 0, { what: "a lag of nothing again" });
    await producer.disconnect();
    await bus.stop();
  },
);
