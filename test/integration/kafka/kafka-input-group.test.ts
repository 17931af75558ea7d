import { expect } from "bun:test";
import { createKafkaConsumer, createKafkaProducer } from "#src/clients/kafka/drivers.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { consumerOptions } from "../../contract/kafka-consumer.ts";
import { newTopicName, patient, producerOptions, recordOf } from "../../contract/kafka-producer.ts";
import { useServices } from "../../services/index.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { hastyInput } from "../../support/hasty-input.ts";
import { holdsFor, waitFor } from "../../support/index.ts";
import { type KafkaBus, startKafkaInput } from "../../support/kafka-input.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";

/** Where an input begins, and what it gives up and loses in a group, while its sink is blocked. */
const services = await useServices("kafka");

const base = (bootstrap: string) => ({
  ...hastyInput(bootstrap),
  rebalanceTimeoutMs: 30_000,
  requestTimeoutMs: 2_000,
  connectTimeoutMs: 1_000,
});

const beganAt = 1_700_000_000_000;

/** A topic with `count` records in each partition, a second between one and the next. */
async function topicOf(bootstrap: string, partitions: number, count: number): Promise<string> {
  const topic = newTopicName("begin");
  const peer = await kafkaPeer(bootstrap);
  await peer.createTopic(topic, partitions);
  await peer.close();
  await append(bootstrap, topic, partitions, 0, count);
  return topic;
}

async function append(
  bootstrap: string,
  topic: string,
  partitions: number,
  from: number,
  count: number,
): Promise<void> {
  const producer = patient(createKafkaProducer("kafkajs", producerOptions(bootstrap)));
  const records = Array.from({ length: count }, (_, i) => ({
    ...recordOf("k", `${from + i}`),
    timestamp: beganAt + (from + i) * 1_000,
  }));
  const batches = Array.from({ length: partitions }, (_, partition) => {
    return { topic, partition, records };
  });
  await producer.produce(batches);
  await producer.close();
}

/** The offsets that came, by partition, each in the order in which it came. */
function offsetsOf({ sink }: KafkaBus): Record<number, number[]> {
  const found: Record<number, number[]> = {};
  for (const { payload } of sink.packets) {
    if (payload.kind !== "bytes") continue;
    const { partition = -1, offset = -1 } = payload;
    found[partition] = [...(found[partition] ?? []), offset];
  }
  return found;
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

services.test(
  "begins at a time, or at given offsets and otherwise at the beginning, and only once",
  async ({ kafka }) => {
    const topic = await topicOf(kafka.bootstrap, 2, 20);
    const beyond = 40;
    const time = (second: number) => new Date(beganAt + second * 1_000).toISOString();
    const cases: readonly [start: object, expected: readonly number[][]][] = [
      [{ timestamp: time(12) }, [range(12, 20), range(12, 20)]],
      // Between two records: the first that is not older.
      [{ timestamp: new Date(beganAt + 12_001).toISOString() }, [range(13, 20), range(13, 20)]],
      [{ timestamp: time(beyond) }, [[], []]],
      [{ offsets: { [topic]: { 1: 17 } } }, [range(0, 20), range(17, 20)]],
      [{ offsets: { [topic]: { 0: 20, 1: 5 } } }, [[], range(5, 20)]],
    ];
    for (const [start, expected] of cases) {
      const config = { ...base(kafka.bootstrap), topics: [topic], start };
      const state = memoryState();
      const first = await startKafkaInput({ config, state });
      const count = expected.flat().length;
      const begun = async () => {
        const all = first.wiring.inputs.map(({ partitions }) => partitions.key);
        const stored = (await Promise.all(all.map((key) => state.checkpoints.list(key)))).flat();
        return stored.length === 2 && first.sink.packets.length >= count;
      };
      await waitFor(begun, { what: `${count} packets, and two checkpoints` });
      await first.stop();
      const [zero = [], one = []] = [offsetsOf(first)[0], offsetsOf(first)[1]];
      expect([start, zero, one]).toEqual([start, ...expected]);
      // Where it is counts from then on, not where it was to begin.
      const second = await startKafkaInput({ config, state });
      await waitFor(() => second.admin.stat().inputs[0]?.lagRecords === 0, { what: "no lag" });
      await second.stop();
      expect(offsetsOf(second)).toEqual({});
    }
  },
  60_000,
);

services.test(
  "a given offset that the partition has not reached stops it, never silently",
  async ({ kafka }) => {
    const topic = await topicOf(kafka.bootstrap, 1, 3);
    const start = { offsets: { [topic]: { 0: 1_000 } } };
    const config = { ...base(kafka.bootstrap), topics: [topic], start };
    const bus = await startKafkaInput({ config });
    await waitFor(() => bus.failures.length > 0, { what: "a failure" });
    expect(bus.failures[0]?.error.code).toBe("POSITION_LOST");
    expect(bus.failures[0]?.error.message).toContain("offset 1000");
    await bus.stop();
  },
);

services.test(
  "what is in flight of a partition that is revoked is delivered before another reads on (fault 39)",
  async ({ kafka }) => {
    const topic = await topicOf(kafka.bootstrap, 2, 200);
    const groupId = newTopicName("drain");
    const config = { ...base(kafka.bootstrap), topics: [topic], groupId, drainMs: 29_000 };
    const peer = await kafkaPeer(kafka.bootstrap);
    const members = (count: number) =>
      waitFor(async () => (await peer.membersOf(groupId)) === count, {
        what: `a group of ${count}`,
        timeoutMs: 30_000,
      });
    const first = await startKafkaInput({ config });
    first.sink.block();
    const all = () => first.admin.stat().inputs[0]?.inFlight === 400;
    await waitFor(all, { what: "all of both partitions in flight", timeoutMs: 30_000 });
    const second = await startKafkaInput({ config });
    await members(2);
    await append(kafka.bootstrap, topic, 2, 200, 100);
    await holdsFor(() => second.sink.packets.length === 0, {
      ms: 1_500,
      what: "nothing to be read that comes behind what the first has in flight",
    });
    first.sink.unblock();
    const read = () => first.sink.packets.length + second.sink.packets.length >= 600;
    await waitFor(read, { what: "all of it", timeoutMs: 30_000 });
    const [mine, others] = [offsetsOf(first), offsetsOf(second)];
    const shares = [0, 1].map((partition) => [mine[partition], others[partition] ?? []] as const);
    for (const [given = [], taken] of shares) expect([...given, ...taken]).toEqual(range(0, 300));
    // One of the two has moved, and what was in flight of it was committed first.
    expect(shares.map(([, taken]) => taken.length).toSorted()).toEqual([0, 100]);
    await second.stop();
    await first.stop();
    await peer.close();
  },
  120_000,
);

services.test(
  "what was lost is never committed, however late it is delivered and though we are back (fault 39)",
  async ({ kafka }) => {
    const count = 50;
    const topic = await topicOf(kafka.bootstrap, 1, count);
    const groupId = newTopicName("lost");
    const { port } = new URL(`kafka://${kafka.bootstrap}`);
    const proxy = await faultProxy({ port: Number(port) }, { protocol: "kafka" });
    const config = { ...base(kafka.bootstrap), topics: [topic], groupId, drainMs: 500 };
    const brokers = [`127.0.0.1:${proxy.port}`];
    const first = await startKafkaInput({ config: { ...config, brokers } });
    first.sink.block();
    const inFlight = (bus: KafkaBus) => bus.admin.stat().inputs[0]?.inFlight ?? 0;
    await waitFor(() => inFlight(first) === count, { what: "all in flight" });

    // Silent for longer than a session: the partition is another's.
    const silence = proxy.add({ type: "blackhole" });
    const second = await startKafkaInput({ config });
    second.sink.block();
    await waitFor(() => inFlight(second) === count, {
      what: "the second to have it",
      timeoutMs: 60_000,
    });
    silence.remove();
    proxy.cut("reset");
    const peer = await kafkaPeer(kafka.bootstrap);
    const isBack = async () => (await peer.membersOf(groupId)) === 2;
    await waitFor(isBack, { what: "the first to be a member again", timeoutMs: 60_000 });
    await peer.close();

    const consumer = createKafkaConsumer("kafkajs", consumerOptions(kafka.bootstrap));
    // Its owners have committed where they began.
    const committed = async () => (await consumer.committed(groupId))[0]?.offset;
    first.sink.unblock();
    await waitFor(() => first.sink.packets.length === count, { what: "its packets delivered" });
    await holdsFor(async () => (await committed()) === 0, {
      ms: 1_500,
      what: "nothing to be committed that the first has lost",
    });
    // Not even when it ends.
    await first.stop();
    expect(await committed()).toBe(0);
    second.sink.unblock();
    const told = async () => (await committed()) === count;
    await waitFor(told, { what: "the owner's commit" });
    await second.stop();
    await consumer.close();
    await proxy.close();
    expect(offsetsOf(second)[0]).toEqual(range(0, count));
  },
  120_000,
);
