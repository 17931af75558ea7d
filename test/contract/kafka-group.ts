import { expect } from "bun:test";
import type {
  GroupEvents,
  GroupMember,
  GroupOptions,
  KafkaConsumer,
  TopicPartition,
} from "#src/clients/kafka/port.ts";
import { codeOf } from "../support/code-of.ts";
import { holdsFor, waitFor } from "../support/index.ts";
import { type ConsumerCase, withConsumer } from "./kafka-consumer.ts";
import { newTopicName } from "./kafka-producer.ts";

/** A member whose events are collected; `revoked` waits for `release`. */
function memberOf(
  consumer: KafkaConsumer,
  group: string,
  topics: Record<string, number>,
  more: Partial<GroupOptions> = {},
) {
  const member = consumer.member({
    group,
    sessionTimeoutMs: 6_000,
    rebalanceTimeoutMs: 10_000,
    heartbeatMs: 100,
    ...more,
  });
  const owned = new Set<string>();
  const lost: string[] = [];
  const over = new AbortController();
  let held: (() => void) | undefined;
  let hold = false;
  const nameOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;
  const events: GroupEvents = {
    assigned: (partitions) => partitions.forEach((one) => void owned.add(nameOf(one))),
    async revoked(partitions) {
      if (hold) await new Promise<void>((resolve) => (held = resolve));
      for (const one of partitions) owned.delete(nameOf(one));
    },
    lost(partitions) {
      for (const one of partitions) owned.delete(nameOf(one));
      lost.push(...partitions.map(nameOf));
    },
  };
  member.subscribe(new Map(Object.entries(topics)));
  const ended = member.run(events, over.signal);
  ended.catch(() => {});
  return {
    member,
    owned,
    lost,
    ended,
    holdRevocations: () => {
      hold = true;
    },
    /** Resolves once a revocation waits; then lets it go on. */
    async release() {
      await waitFor(() => held !== undefined, { what: "a revocation" });
      hold = false;
      held?.();
    },
    get waits() {
      return held !== undefined;
    },
    async leave() {
      over.abort();
      await ended;
    },
  };
}

const commitOf = (member: GroupMember, topic: string, partition: number, offset: number) =>
  codeOf(member.commit([{ topic, partition, offset, metadata: "m" }]));

/** The others wait for seconds until it hears that it is to join again. */
const slow = { sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 30_000, heartbeatMs: 4_000 };

/** Every driver passes these against a real broker too. */
export const groupContract: readonly ConsumerCase[] = [
  [
    "members share the partitions, and one gets none that another has not given up (fault 39)",
    (contract) =>
      withConsumer(
        contract,
        "group",
        async ({ consumer, topic }) => {
          const group = newTopicName("group");
          const first = memberOf(consumer, group, { [topic]: 4 });
          await waitFor(() => first.owned.size === 4, { what: "all of it", timeoutMs: 15_000 });
          expect(await commitOf(first.member, topic, 1, 7)).toBe("none");
          first.holdRevocations();
          const second = memberOf(consumer, group, { [topic]: 4 });
          await waitFor(() => first.waits, { what: "a revocation", timeoutMs: 15_000 });
          await holdsFor(() => second.owned.size === 0, { ms: 300, what: "no overlap" });
          expect(await commitOf(first.member, topic, 0, 5)).toBe("none");
          await first.release();
          const shared = () => first.owned.size === 2 && second.owned.size === 2;
          await waitFor(shared, { what: "two for each", timeoutMs: 15_000 });
          expect(new Set([...first.owned, ...second.owned]).size).toBe(4);
          await second.leave();
          await waitFor(() => first.owned.size === 4, { what: "all again", timeoutMs: 15_000 });
          expect([...first.lost, ...second.lost]).toEqual([]);
          await first.leave();
          const committed = await consumer.committed(group);
          expect(
            committed
              .map(({ partition, offset, metadata }) => [partition, offset, metadata])
              .toSorted(),
          ).toEqual([
            [0, 5, "m"],
            [1, 7, "m"],
          ]);
          expect(await codeOf(first.member.commit([{ topic, partition: 0, offset: 9 }]))).not.toBe(
            "none",
          );
        },
        { partitions: 4 },
      ),
  ],
  [
    "a member ends at once while the group waits for others to join",
    (contract) =>
      withConsumer(
        contract,
        "ends",
        async ({ consumer, topic }) => {
          const group = newTopicName("group");
          const first = memberOf(consumer, group, { [topic]: 2 }, { ...slow, heartbeatMs: 20_000 });
          await waitFor(() => first.owned.size === 2, { what: "all of it", timeoutMs: 15_000 });
          const second = memberOf(consumer, group, { [topic]: 2 }, { rebalanceTimeoutMs: 30_000 });
          await holdsFor(() => second.owned.size === 0, { ms: 1_000, what: "to wait" });
          const before = performance.now();
          await second.leave();
          expect(performance.now() - before).toBeLessThan(4_000);
          await first.leave();
        },
        { partitions: 2 },
      ),
  ],
  [
    "a member commits while the group waits for others to join",
    (contract) =>
      withConsumer(
        contract,
        "commits",
        async ({ consumer, topic }) => {
          const group = newTopicName("group");
          const topics = { [topic]: 2 };
          const first = memberOf(consumer, group, topics);
          await waitFor(() => first.owned.size === 2, { what: "all of it", timeoutMs: 15_000 });
          const second = memberOf(consumer, group, topics, slow);
          const shared = () => first.owned.size === 1 && second.owned.size === 1;
          await waitFor(shared, { what: "one for each", timeoutMs: 15_000 });
          const third = memberOf(consumer, group, topics);
          await holdsFor(() => third.owned.size === 0, { ms: 1_000, what: "to wait" });
          const mine = Number([...first.owned][0]?.split("/")[1]);
          const before = performance.now();
          expect(await commitOf(first.member, topic, mine, 5)).toBe("none");
          expect(performance.now() - before).toBeLessThan(4_000);
          await Promise.all([first.leave(), second.leave(), third.leave()]);
        },
        { partitions: 2 },
      ),
  ],
];
