import { z } from "zod";
import type { Position } from "#plugin";
import { kafkaConnectionFields } from "#src/clients/kafka/connection-config.ts";
import { type KafkaDriver, kafkaDrivers } from "#src/clients/kafka/drivers.ts";
import { type LinearRegex, linearRegex } from "#src/format/linear-regex.ts";

const topicName = z
  .string()
  .regex(/^[a-zA-Z0-9._-]{1,249}$/, "a topic is made of letters, digits, . _ and -");

/** Well below the 100 MiB of an answer that are believed, as one may be larger by a batch. */
const answerBytesMax = 64 << 20;

const partition = z.int().min(0).max(1_000_000);
const offset = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

const start = z.union([
  z.enum(["earliest", "latest"]),
  z.strictObject({
    timestamp: z
      .string()
      .refine((text) => !Number.isNaN(Date.parse(text)), "write it as 2026-01-31T12:00:00Z")
      .describe("the first records that are not older, e.g. 2026-01-31T12:00:00Z"),
  }),
  z.strictObject({
    offsets: z
      .record(topicName, z.record(z.string().regex(/^\d{1,7}$/, "a partition is a number"), offset))
      .describe("the next offset of each partition by topic: {orders: {0: 1200, 1: 1180}}"),
  }),
]);

export const kafkaInputSchema = z
  .strictObject({
    ...kafkaConnectionFields,
    topics: z
      .array(topicName)
      .min(1)
      .optional()
      .describe("the topics to read, by name; each is read by itself unless there is a group"),
    topicPattern: z
      .string()
      .min(1)
      .max(1_000)
      .refine(isPattern, "that is no regular expression")
      .optional()
      .describe(
        "instead of topics: a regular expression for whole names, e.g. cdc[.]shop[.].*; topics that " +
          "are made later are read too. Kafka's own topics are left out, and those that begin with __ " +
          "unless the pattern does",
      ),
    partitions: z
      .record(topicName, z.array(partition).min(1))
      .optional()
      .describe("fixed partitions by topic instead of all of them: {orders: [0, 1]}"),
    groupId: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe(
        "the consumer group to join: its members share the partitions. Checkpoints are committed to " +
          "it too. With partitions it is not joined, only committed to",
      ),
    start: start
      .default("earliest")
      .describe(
        "where to begin without a checkpoint: earliest | latest | {timestamp} | {offsets}. What " +
          "appears later, a new topic or partition, is read from its beginning",
      ),
    format: z
      .enum(["bytes", "text", "json"])
      .default("bytes")
      .describe("what values are: bytes as they are, UTF-8 text, or JSON documents"),
    onInvalid: z
      .enum(["deadletter", "bytes", "fail"])
      .default("deadletter")
      .describe(
        "a value that is not of the format: into the dead letters with its place, pass it on as " +
          "bytes, or stop",
      ),
    onPositionLost: z
      .enum(["fail", "earliest", "latest"])
      .default("fail")
      .describe(
        "when the next offset is gone, by retention or because the topic was made anew: stop, or go " +
          "on and note the gap",
      ),
    onCorrupt: z
      .enum(["fail", "deadletter"])
      .default("fail")
      .describe(
        "a batch whose checksum is wrong twice, or that cannot be decompressed: stop, or note in the " +
          "dead letters where it is and go on behind it",
      ),
    isolation: z
      .enum(["committed", "uncommitted"])
      .default("committed")
      .describe("whether records of transactions that are open or were aborted are left out"),
    refreshMs: z
      .int()
      .min(100)
      .max(3_600_000)
      .default(30_000)
      .describe("how often new topics and partitions are looked for"),
    fetchBytesMax: z
      .int()
      .min(1024)
      .max(answerBytesMax)
      .default(2 << 20)
      .describe("bytes of one answer of a broker; of each broker up to two are in memory"),
    partitionBytesMax: z
      .int()
      .min(1024)
      .max(answerBytesMax)
      .default(1 << 20)
      .describe("bytes of one partition in an answer; a larger batch comes whole all the same"),
    fetchWaitMs: z
      .int()
      .min(1)
      .max(60_000)
      .default(500)
      .describe("how long a broker may wait for records before it answers that there are none"),
    batchBytesMax: z
      .int()
      .min(1024)
      .max(1 << 30)
      .default(64 << 20)
      .describe("what a compressed batch may come to; a larger one counts as corrupt"),
    sessionTimeoutMs: z
      .int()
      .min(1_000)
      .default(45_000)
      .describe("how long the group waits for a heartbeat of this member"),
    rebalanceTimeoutMs: z
      .int()
      .min(1_000)
      .default(60_000)
      .describe("how long the group waits for this member to give partitions up"),
    heartbeatMs: z.int().min(50).default(3_000).describe("how often a member shows that it lives"),
    drainMs: z
      .int()
      .min(0)
      .default(10_000)
      .describe(
        "how long what is in flight may take when partitions are given up, or at a stop; what is not " +
          "settled by then is read again by whoever comes next",
      ),
    commitMs: z
      .int()
      .min(100)
      .default(2_000)
      .describe("how often checkpoints are committed to the group"),
    driver: z
      .enum(Object.keys(kafkaDrivers) as [KafkaDriver, ...KafkaDriver[]])
      .default("kafkajs")
      .describe("the client library underneath"),
  })
  .superRefine((config, issues) => {
    for (const { path, message } of problemsOf(config)) {
      issues.addIssue({ code: "custom", path: [path], message });
    }
  });

export type KafkaInputConfig = z.output<typeof kafkaInputSchema>;

function isPattern(text: string): boolean {
  try {
    patternOf(text);
    return true;
  } catch {
    return false;
  }
}

/** Whole names alone: a pattern that is meant for a part says so with .* */
export function patternOf(text: string): LinearRegex {
  return linearRegex(`^(?:${text})$`);
}

type Problem = { readonly path: string; readonly message: string };

function problemsOf({
  topics,
  topicPattern,
  partitions,
  heartbeatMs,
  sessionTimeoutMs,
  drainMs,
  rebalanceTimeoutMs,
}: Pick<
  KafkaInputConfig,
  | "topics"
  | "topicPattern"
  | "partitions"
  | "heartbeatMs"
  | "sessionTimeoutMs"
  | "drainMs"
  | "rebalanceTimeoutMs"
>): Problem[] {
  const problems: Problem[] = [];
  const ways = [topics, topicPattern, partitions].filter((way) => way !== undefined).length;
  if (ways === 0)
    problems.push({ path: "topics", message: "write topics, topicPattern or partitions" });
  if (ways > 1) {
    problems.push({
      path: "topics",
      message: "topics, topicPattern and partitions: only one of them",
    });
  }
  if (topics && new Set(topics).size < topics.length) {
    problems.push({ path: "topics", message: "a topic is named twice" });
  }
  if (heartbeatMs * 2 > sessionTimeoutMs) {
    problems.push({ path: "heartbeatMs", message: "at most half of sessionTimeoutMs" });
  }
  if (drainMs >= rebalanceTimeoutMs) {
    problems.push({ path: "drainMs", message: "less than rebalanceTimeoutMs" });
  }
  return problems;
}

/** Whether this input is a member of its group, and not only somebody who commits to it. */
export function joins({ groupId, partitions }: Pick<KafkaInputConfig, "groupId" | "partitions">) {
  return groupId !== undefined && partitions === undefined;
}

export const kafkaPositionSchema = z.strictObject({
  offset: offset.describe("the next one to read"),
  partition: z.int().min(0).optional().describe("the partition, which the checkpoint names too"),
  topicId: z.string().optional().describe("the topic's own id, by which one made anew is noticed"),
  leaderEpoch: z
    .int()
    .min(-1)
    .optional()
    .describe("of the leader that wrote what was read, by which an unclean election is noticed"),
});

export type KafkaPosition = {
  readonly offset: number;
  readonly partition?: number;
  readonly topicId?: string;
  readonly leaderEpoch?: number;
};

/** By offset, within one topic: one that was made anew under the name counts from 0 again. */
export function compareKafkaPositions(a: Position, b: Position): number | undefined {
  const [one, other] = [a as KafkaPosition, b as KafkaPosition];
  if ((one.topicId ?? "") !== (other.topicId ?? "")) return undefined;
  return one.offset - other.offset;
}
