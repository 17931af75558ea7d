import { expect } from "bun:test";
import { createKafkaConsumer } from "#src/clients/kafka/drivers.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { consumerOptions } from "../../contract/kafka-consumer.ts";
import { newTopicName } from "../../contract/kafka-producer.ts";
import { useServices } from "../../services/index.ts";
import { hastyInput } from "../../support/hasty-input.ts";
import { holdsFor, waitFor } from "../../support/index.ts";
import { type KafkaBus, startKafkaInput, textOf } from "../../support/kafka-input.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { recordedLog } from "../../support/recorded-log.ts";

const services = await useServices("kafka");

const keys = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `k${from + i}`);

async function topicOf(bootstrap: string, what: string, partitions = 2): Promise<string> {
  const topic = newTopicName(what);
  const peer = await kafkaPeer(bootstrap);
  await peer.createTopic(topic, partitions);
  await peer.close();
  return topic;
}

async function write(bootstrap: string, topic: string, names: readonly string[], value = "v") {
  const peer = await kafkaPeer(bootstrap);
  await peer.produceByKey(topic, names, value);
  await peer.close();
}

async function checkpointsOf({ wiring, state }: KafkaBus) {
  const all = wiring.inputs.map(({ partitions }) => state.checkpoints.list(partitions.key));
  return (await Promise.all(all)).flat();
}

const base = (bootstrap: string) => ({
  ...hastyInput(bootstrap),
  rebalanceTimeoutMs: 10_000,
  drainMs: 2_000,
});

services.test(
  "reads topics from their beginning, and goes on behind it after a stop",
  async ({ kafka }) => {
    const topic = await topicOf(kafka.bootstrap, "resume");
    await write(kafka.bootstrap, topic, keys(500));
    const state = memoryState();
    const config = { ...base(kafka.bootstrap), topics: [topic] };
    const first = await startKafkaInput({ config, state });
    await waitFor(() => first.sink.packets.length >= 500, { what: "500 packets" });
    await first.stop();
    const [one] = first.sink.packets;
    expect(one).toMatchObject({ ident: topic, payload: { kind: "bytes", offset: 0 } });
    const stored = await checkpointsOf(first);
    expect(stored.map(({ partition }) => partition).toSorted()).toEqual([
      `${topic}/0`,
      `${topic}/1`,
    ]);
    await write(kafka.bootstrap, topic, keys(100, 500));
    const second = await startKafkaInput({ config, state });
    await waitFor(() => second.sink.packets.length >= 100, { what: "100 packets" });
    await holdsFor(() => second.sink.packets.length === 100, { ms: 300, what: "no packet twice" });
    await second.stop();
  },
);

services.test(
  "latest: what was there is passed over, what comes while it is down is not",
  async ({ kafka }) => {
    const topic = await topicOf(kafka.bootstrap, "latest");
    await write(kafka.bootstrap, topic, keys(50));
    const state = memoryState();
    const config = { ...base(kafka.bootstrap), topics: [topic], start: "latest" };
    const first = await startKafkaInput({ config, state });
    await waitFor(async () => (await checkpointsOf(first)).length === 2, {
      what: "a checkpoint without a packet",
    });
    await first.stop();
    expect(first.sink.packets).toEqual([]);
    await write(kafka.bootstrap, topic, keys(20, 50));
    const second = await startKafkaInput({ config, state });
    await waitFor(() => second.sink.packets.length >= 20, { what: "20 packets" });
    await second.stop();
    expect(second.sink.packets).toHaveLength(20);
  },
);

services.test(
  "a pattern that matches nothing is warned of, and topics made later are read whole",
  async ({ kafka }) => {
    const prefix = newTopicName("pattern");
    const log = recordedLog();
    const config = { ...base(kafka.bootstrap), topicPattern: `${prefix}[.].*`, start: "latest" };
    const bus = await startKafkaInput({ config, log: log.log });
    await waitFor(() => log.entries.some(({ message }) => /no topic matches/.test(message)), {
      what: "a warning",
    });
    for (const name of ["a", "b"]) {
      const peer = await kafkaPeer(kafka.bootstrap);
      await peer.createTopic(`${prefix}.${name}`, 1);
      await peer.close();
      await write(kafka.bootstrap, `${prefix}.${name}`, keys(10));
      await waitFor(
        () => bus.sink.packets.filter(({ ident }) => ident.endsWith(name)).length >= 10,
        {
          what: `the records of ${name}`,
        },
      );
    }
    expect(bus.failures).toEqual([]);
    await bus.stop();
  },
);

services.test(
  "two members share a topic; what is revoked is drained and committed first (fault 39)",
  async ({ kafka }) => {
    const topic = await topicOf(kafka.bootstrap, "share", 4);
    const group = newTopicName("g");
    const config = { ...base(kafka.bootstrap), topics: [topic], groupId: group };
    const first = await startKafkaInput({ config });
    await write(kafka.bootstrap, topic, keys(400));
    await waitFor(() => first.sink.packets.length >= 400, { what: "all by the first" });
    const second = await startKafkaInput({ config });
    const shares = () => {
      const parts = (packets: typeof first.sink.packets) =>
        new Set(
          packets
            .slice(-200)
            .map(({ payload }) => (payload.kind === "bytes" ? payload.partition : -1)),
        );
      return [parts(first.sink.packets), parts(second.sink.packets)] as const;
    };
    await waitFor(
      async () => {
        await write(kafka.bootstrap, topic, keys(400, 400));
        return second.sink.packets.length > 0;
      },
      { what: "a share for the second", timeoutMs: 20_000, intervalMs: 200 },
    );
    await second.stop();
    await first.stop();
    const seen = new Map<string, number>();
    for (const { payload } of [...first.sink.packets, ...second.sink.packets]) {
      if (payload.kind !== "bytes") continue;
      const place = `${payload.partition}/${payload.offset}`;
      seen.set(place, (seen.get(place) ?? 0) + 1);
    }
    // Everything was settled when it was given up, so nobody read anything twice.
    expect([...seen.values()].filter((count) => count > 1)).toEqual([]);
    expect(shares()[1].size).toBeGreaterThan(0);
    const consumer = createKafkaConsumer("kafkajs", consumerOptions(kafka.bootstrap));
    const committed = await consumer.committed(group);
    const ends = await consumer.offsets(committed, "latest");
    await consumer.close();
    const total = (of: readonly { offset: number }[]) =>
      of.reduce((sum, { offset }) => sum + offset, 0);
    expect(total(committed)).toBe(seen.size);
    expect(total(ends)).toBeGreaterThanOrEqual(total(committed));
  },
);

services.test(
  "an offset that is gone stops it, or is a gap that is written down (fault 38)",
  async ({ kafka }) => {
    for (const [onPositionLost, expected] of [
      ["fail", 0],
      ["earliest", 5],
      ["latest", 0],
    ] as const) {
      const topic = await topicOf(kafka.bootstrap, `lost-${onPositionLost}`, 1);
      await write(kafka.bootstrap, topic, keys(10));
      const state = memoryState();
      const config = { ...base(kafka.bootstrap), topics: [topic], onPositionLost };
      const first = await startKafkaInput({ config, state });
      await waitFor(() => first.sink.packets.length >= 10, { what: "10 packets" });
      await first.stop();
      await write(kafka.bootstrap, topic, keys(5, 10));
      const peer = await kafkaPeer(kafka.bootstrap);
      await peer.deleteRecords(topic, 0);
      await peer.close();
      await write(kafka.bootstrap, topic, keys(5, 15));
      const second = await startKafkaInput({ config, state });
      if (onPositionLost === "fail") {
        await waitFor(() => second.failures.length > 0, { what: "a failure" });
        expect(second.failures[0]?.error.code).toBe("POSITION_LOST");
        expect(state.gaps.list()).toEqual([]);
      } else {
        await waitFor(() => state.gaps.list().length > 0, { what: "a gap" });
        await waitFor(() => second.sink.packets.length >= expected, { what: "the rest" });
        const [gap] = state.gaps.list();
        const to = onPositionLost === "earliest" ? 15 : 20;
        expect(gap).toMatchObject({ partition: `${topic}/0`, input: "in" });
        expect(JSON.parse(gap?.from ?? "{}").offset).toBe(10);
        expect(JSON.parse(gap?.to ?? "{}").offset).toBe(to);
      }
      await second.stop();
      expect(second.sink.packets).toHaveLength(expected);
    }
  },
);

services.test(
  "a topic that was made anew is noticed, never read on as if it were the same",
  async ({ kafka }) => {
    const topic = await topicOf(kafka.bootstrap, "anew", 1);
    await write(kafka.bootstrap, topic, keys(10));
    const state = memoryState();
    const config = { ...base(kafka.bootstrap), topics: [topic], onPositionLost: "earliest" };
    const bus = await startKafkaInput({ config, state });
    await waitFor(() => bus.sink.packets.length >= 10, { what: "10 packets" });
    const peer = await kafkaPeer(kafka.bootstrap);
    await peer.deleteTopic(topic);
    // It is made; what may fail is to wait for its leader.
    await peer.createTopic(topic, 1).catch(() => {});
    await peer.close();
    // Kafka itself takes a moment to believe in the new one.
    const written = () => write(kafka.bootstrap, topic, keys(30, 100)).then(() => true);
    await waitFor(written, { what: "the new topic to be written to", intervalMs: 100 });
    await waitFor(() => bus.sink.packets.length >= 40, {
      what: "all of the new topic",
      timeoutMs: 20_000,
    });
    expect(state.gaps.list()[0]?.reason).toMatch(/made anew|is gone/);
    await bus.stop();
  },
);

services.test(
  "a value that is not JSON goes to the dead letters with its place, and the others on",
  async ({ kafka }) => {
    const topic = await topicOf(kafka.bootstrap, "json", 1);
    await write(kafka.bootstrap, topic, ["a"], '{"a":1}');
    await write(kafka.bootstrap, topic, ["b"], "{nonsense");
    await write(kafka.bootstrap, topic, ["c"], '{"c":3}');
    await write(kafka.bootstrap, topic, ["d"], "also none");
    const state = memoryState();
    const config = { ...base(kafka.bootstrap), topics: [topic], format: "json" };
    const bus = await startKafkaInput({ config, state });
    await waitFor(() => bus.sink.packets.length >= 2, { what: "the valid ones" });
    await waitFor(() => state.deadLetters.list().length === 2, { what: "two dead letters" });
    const offsetOf = async () => {
      const [stored] = await checkpointsOf(bus);
      return JSON.parse(stored?.position ?? "{}").offset;
    };
    await waitFor(async () => (await offsetOf()) === 4, {
      what: "a checkpoint behind the last one",
    });
    expect(bus.sink.packets.map(textOf)).toEqual(['{"a":1}', '{"c":3}']);
    expect(bus.sink.packets[0]?.payload).toMatchObject({
      kind: "document",
      record: { offset: 0, partition: 0 },
    });
    const [letter] = state.deadLetters.list();
    expect([letter?.code, letter?.partition]).toEqual(["KAFKA_VALUE_INVALID", `${topic}/0`]);
    expect(letter?.reason).toContain(`${topic}/0 at offset 1`);
    await bus.stop();
  },
);

services.test(
  "a blocked sink holds the reading up, and a stop ends it all the same",
  async ({ kafka }) => {
    const topic = await topicOf(kafka.bootstrap, "blocked", 2);
    for (let i = 0; i < 5; i++) await write(kafka.bootstrap, topic, keys(2_000, i * 2_000));
    const state = memoryState();
    const config = { ...base(kafka.bootstrap), topics: [topic], drainMs: 200 };
    const window = { packets: 1_000, bytes: 1 << 20 };
    const bus = await startKafkaInput({ config, state, window });
    bus.sink.block();
    const inFlight = () => bus.admin.stat().inputs.reduce((sum, one) => sum + one.inFlight, 0);
    await waitFor(() => inFlight() > 0, { what: "packets in flight" });
    await holdsFor(() => inFlight() <= 1_000, { ms: 500, what: "the window to be kept" });
    const before = performance.now();
    await bus.stop();
    expect(performance.now() - before).toBeLessThan(9_000);
    const seen = bus.sink.packets.length;
    const again = await startKafkaInput({ config, state, window });
    await waitFor(() => again.sink.packets.length + seen >= 10_000, { what: "the rest" });
    await again.stop();
  },
);

services.test(
  "of a broker list one may be dead; a group of its own is told where we are",
  async ({ kafka }) => {
    const topic = await topicOf(kafka.bootstrap, "fixed", 3);
    await write(kafka.bootstrap, topic, keys(300));
    const group = newTopicName("told");
    const brokers = ["127.0.0.1:1", ...kafka.bootstrap.split(",")];
    const config = {
      ...base(kafka.bootstrap),
      brokers,
      partitions: { [topic]: [0, 2] },
      groupId: group,
    };
    const bus = await startKafkaInput({ config });
    await waitFor(() => bus.sink.packets.length > 100, { what: "packets" });
    await bus.stop();
    const partitions = bus.sink.packets.map(
      ({ payload }) => payload.kind === "bytes" && payload.partition,
    );
    expect(new Set(partitions)).toEqual(new Set([0, 2]));
    const consumer = createKafkaConsumer("kafkajs", consumerOptions(kafka.bootstrap));
    const committed = await consumer.committed(group);
    await consumer.close();
    expect(committed.reduce((sum, { offset }) => sum + offset, 0)).toBe(bus.sink.packets.length);
  },
);
