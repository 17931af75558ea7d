import { describe, expect, test } from "bun:test";
import { kafkaInput } from "#plugins/input/kafka/kafka-input.ts";
import { kafkaInputSchema } from "#plugins/input/kafka/kafka-input-config.ts";
import { resourcesOf } from "#plugins/input/kafka/resources.ts";
import { pluginSchemaContract } from "../../../contract/plugin-schema.ts";

const brokers = ["h:9092"];
const parse = (config: object) => kafkaInputSchema.safeParse({ brokers, ...config });
const messages = (config: object) =>
  parse(config).error?.issues.map(({ message }) => message) ?? ["accepted"];
const resources = (config: object) =>
  resourcesOf(kafkaInputSchema.parse({ brokers, ...config })).map(({ id }) => id);

describe("the schema", () => pluginSchemaContract(kafkaInput, { brokers, topics: ["a"] }));

test("what is read is said in one way, and a pattern is one", () => {
  expect(messages({})).toEqual(["write topics, topicPattern or partitions"]);
  expect(messages({ topics: ["a"], topicPattern: "a" })).toEqual([
    "topics, topicPattern and partitions: only one of them",
  ]);
  expect(messages({ topicPattern: "a(" })).toEqual(["that is no regular expression"]);
  expect(messages({ topics: ["a b"] })).toEqual(["a topic is made of letters, digits, . _ and -"]);
  expect(messages({ topics: ["a", "a"] })).toEqual(["a topic is named twice"]);
});

test("answers are asked for no larger than they are believed", () => {
  const tooLarge = { topics: ["a"], fetchBytesMax: 100 << 20 };
  expect(parse(tooLarge).error?.issues.map(({ path }) => path)).toEqual([["fetchBytesMax"]]);
  expect(messages({ topics: ["a"], fetchBytesMax: 64 << 20 })).toEqual(["accepted"]);
});

test("times that cannot work together are refused", () => {
  expect(messages({ topics: ["a"], heartbeatMs: 5_000, sessionTimeoutMs: 6_000 })).toEqual([
    "at most half of sessionTimeoutMs",
  ]);
  expect(messages({ topics: ["a"], drainMs: 60_000 })).toEqual(["less than rebalanceTimeoutMs"]);
});

test("each topic is a resource of its own, a group and a pattern are one each", () => {
  expect(resources({ topics: ["orders", "Orders"] })).toEqual([
    "kafka-topic-orders",
    expect.stringMatching(/^kafka-topic-orders-[0-9a-f]{8}$/),
  ]);
  expect(resources({ partitions: { a: [0], b: [1, 2] }, groupId: "g" })).toEqual([
    "kafka-topic-a",
    "kafka-topic-b",
  ]);
  expect(resources({ topics: ["a", "b"], groupId: "g" })).toEqual(["kafka-group-g"]);
  expect(resources({ topicPattern: ".*" })[0]).toMatch(/^kafka-pattern-[a-z0-9.-]+$/);
  const long = resources({ topics: ["x".repeat(249)] })[0] ?? "";
  expect(long.length).toBeLessThanOrEqual(63);
});
