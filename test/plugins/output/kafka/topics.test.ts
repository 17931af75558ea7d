import { expect, test } from "bun:test";
import { createTopics } from "#plugins/output/kafka/topics.ts";
import type { NewTopic } from "#src/clients/kafka/port.ts";
import { DbusError } from "#src/errors.ts";
import type { Log } from "#src/log.ts";
import { createManualClock } from "../../../support/manual-clock.ts";

type Cluster = { counts: Map<string, number>; created: NewTopic[]; mayCreate: boolean };

function setUp(config: Parameters<typeof createTopics>[1], cluster: Partial<Cluster> = {}) {
  const at: Cluster = { counts: new Map(), created: [], mayCreate: true, ...cluster };
  const warnings: string[] = [];
  const log: Log = {
    debug() {},
    info() {},
    warn: (message) => void warnings.push(message),
    error() {},
    with: () => log,
  };
  const clock = createManualClock();
  const producer = {
    async partitionCount(topic: string) {
      const count = at.counts.get(topic);
      if (count === undefined) throw new DbusError("KAFKA_TOPIC_MISSING", topic);
      return count;
    },
    async createTopic(topic: NewTopic) {
      if (!at.mayCreate) throw new DbusError("KAFKA_TOPIC_DENIED", topic.topic);
      at.created.push(topic);
      at.counts.set(topic.topic, Math.max(topic.partitions, 1));
    },
    growTopic: async (topic: string, partitions: number) => void at.counts.set(topic, partitions),
  };
  return { at, warnings, clock, topics: createTopics(producer, config, { clock, log }) };
}

const anyNumber = (topics: readonly string[]) => new Map(topics.map((topic) => [topic, 0]));

test("a topic that must have more partitions is made with them, or grown to them", async () => {
  const { topics, at } = setUp({ createTopics: {} }, { counts: new Map([["old", 2]]) });
  expect(topics.partitions("old", 3)).toBeUndefined();
  const failures = await topics.learn(
    new Map([
      ["old", 3],
      ["new", 5],
    ]),
  );
  expect([failures.size, topics.partitions("old", 3), topics.partitions("new", 5)]).toEqual([
    0, 3, 5,
  ]);
  expect([...at.counts]).toEqual([
    ["old", 3],
    ["new", 5],
  ]);
  const fixed = setUp({ createTopics: false }, { counts: new Map([["old", 2]]) });
  const refused = await fixed.topics.learn(new Map([["old", 3]]));
  expect(refused.get("old")?.message).toContain("has 2 partitions, and 3 are needed");
});

test("a missing topic is created as the config says, once", async () => {
  const { at, topics } = setUp({ createTopics: { partitions: 6, replicationFactor: 3 } });
  expect((await topics.learn(anyNumber(["a"]))).size).toBe(0);
  expect(at.created).toEqual([{ topic: "a", partitions: 6, replicationFactor: 3 }]);
  expect(topics.partitions("a")).toBe(6);
  await topics.learn(anyNumber(["a"]));
  expect(at.created).toHaveLength(1);
});

test("without numbers it is created with the broker's", async () => {
  const { at, topics } = setUp({ createTopics: {} });
  await topics.learn(anyNumber(["a"]));
  expect(at.created).toEqual([{ topic: "a", partitions: -1, replicationFactor: -1 }]);
});

test("a topic that may not be created is named with the reason, the others are learned", async () => {
  const counts = new Map([["b", 2]]);
  const forbidden = setUp({ createTopics: false }, { counts });
  const failures = await forbidden.topics.learn(anyNumber(["a", "b"]));
  expect([...failures].map(([topic, { code }]) => [topic, code])).toEqual([
    ["a", "KAFKA_TOPIC_MISSING"],
  ]);
  expect([forbidden.at.created, forbidden.topics.partitions("b")]).toEqual([[], 2]);
  const denied = setUp({ createTopics: {} }, { mayCreate: false });
  expect((await denied.topics.learn(anyNumber(["a"]))).get("a")?.code).toBe("KAFKA_TOPIC_DENIED");
});

test("hundreds of topics are learned, each once", async () => {
  const { at, topics } = setUp({ createTopics: { partitions: 2 } });
  const names = Array.from({ length: 300 }, (_, i) => `t${i}`);
  expect((await topics.learn(anyNumber(names))).size).toBe(0);
  expect(at.created.map(({ topic }) => topic).toSorted()).toEqual(names.toSorted());
});

test("keys stay where they are when a topic grows, and it is said once (fault 32)", async () => {
  const { at, clock, topics, warnings } = setUp(
    { createTopics: false },
    { counts: new Map([["a", 2]]) },
  );
  await topics.learn(anyNumber(["a"]));
  at.counts.set("a", 5);
  await topics.check();
  expect(warnings).toEqual([]);
  for (let i = 0; i < 3; i++) {
    clock.advance(61_000);
    await topics.check();
  }
  expect(warnings).toHaveLength(1);
  expect(topics.partitions("a")).toBe(2);
});

test("a check that finds no broker says nothing: writing will", async () => {
  const { at, clock, topics, warnings } = setUp(
    { createTopics: false },
    { counts: new Map([["a", 2]]) },
  );
  await topics.learn(anyNumber(["a"]));
  at.counts.delete("a");
  clock.advance(61_000);
  await topics.check();
  expect([warnings, topics.partitions("a")]).toEqual([[], 2]);
});
