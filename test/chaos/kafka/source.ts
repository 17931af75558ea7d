import { onceClient, sendOnce } from "../../support/kafka-once.ts";
import { kafkaWitness } from "../../support/kafka-topic.ts";
import { seededRandom } from "../../support/random.ts";
import { waitFor } from "../../support/wait-for.ts";
import type { KafkaRoundPlan } from "./plan.ts";
import type { SeenRecord } from "./records.ts";
import { numberedMessages } from "./workload.ts";

/** The topics of a round, with some records in them of before. */
export type KafkaSource = {
  readonly bootstrap: string;
  /** Those that there are. */
  readonly topics: () => readonly string[];
  /** With the one that comes late. */
  readonly planned: readonly string[];
  /** Where the input is told to begin. */
  readonly start: unknown;
  /** Whether the start leaves a record out. */
  readonly isBefore: (record: SeenRecord) => boolean;
  makeLateTopic(): Promise<void>;
  /** A last record in each partition, so that whoever reads it comes to its end. */
  end(): Promise<void>;
};

const oldRecords = 40;

export async function openKafkaSource(
  bootstrap: string,
  name: string,
  { input, workload, seed }: KafkaRoundPlan,
): Promise<KafkaSource> {
  const planned = input.topics.map((_, index) => `${name}.t${index}`);
  const late = input.lateTopic ? planned.at(-1) : undefined;
  const there = planned.filter((topic) => topic !== late);
  const kafka = onceClient(bootstrap);

  /** Through what is left of the faults. */
  const make = (topic: string) =>
    waitFor(
      async () => {
        const witness = await kafkaWitness(bootstrap);
        try {
          const partitions = input.topics[planned.indexOf(topic)] ?? 1;
          await witness.createTopic(topic, partitions).catch(() => {});
          return (await witness.highs(topic)).size === partitions;
        } finally {
          await witness.close();
        }
      },
      { what: `topic ${topic}`, timeoutMs: 60_000, intervalMs: 200 },
    );

  for (const topic of there) await make(topic);
  const beganAt = Date.now();
  const old = numberedMessages("old", seededRandom(seed), workload);
  for (const topic of there) {
    const messages = Array.from({ length: oldRecords }, old);
    // They are older than what an input begins with that is told a time.
    await sendOnce(
      kafka,
      topic,
      messages.map((message, i) => ({ ...message, timestamp: String(beganAt - 120_000 + i) })),
    );
  }
  const ends = new Map<string, ReadonlyMap<number, bigint>>();
  const witness = await kafkaWitness(bootstrap);
  for (const topic of there) ends.set(topic, await witness.highs(topic));
  await witness.close();
  const offsets = Object.fromEntries(
    [...ends].map(([topic, highs]) => [
      topic,
      Object.fromEntries([...highs].map(([partition, high]) => [partition, Number(high)])),
    ]),
  );
  const starts = {
    earliest: "earliest",
    timestamp: { timestamp: new Date(beganAt - 60_000).toISOString() },
    offsets: { offsets },
  };
  return {
    ...{ bootstrap, planned, topics: () => there, start: starts[input.start] },
    isBefore: ({ topic, partition, offset }) =>
      input.start !== "earliest" && offset < Number(ends.get(topic)?.get(partition) ?? 0),
    async makeLateTopic() {
      if (late === undefined) return;
      await make(late);
      there.push(late);
    },
    async end() {
      for (const topic of there) {
        const partitions = input.topics[planned.indexOf(topic)] ?? 1;
        for (let partition = 0; partition < partitions; partition++) {
          const ended = async () => {
            const n = `end-${topic}-${partition}-${Date.now()}`;
            const value = `{"name":"${n}","pad":""}`;
            const message = { key: `end-of-${partition}-`, value, headers: { n }, partition };
            await sendOnce(kafka, topic, [message]);
            return true;
          };
          await waitFor(ended, { what: `the end of ${topic}`, timeoutMs: 60_000 });
        }
      }
    },
  };
}
