import { open } from "node:fs/promises";
import { Kafka, logLevel } from "kafkajs";
import { type KafkaWitness, kafkaWitness } from "../support/kafka-topic.ts";
import { createTallies, headBytes, lineHeads, type Tallies } from "./tally.ts";

/** The file and the broker that the daemon writes to, as who reads them sees them. */
export type Sinks = {
  readonly file: Tallies;
  readonly kafka: Tallies;
  /** Reads what the file has got since the last time. */
  readFile(): Promise<void>;
  /** How many records a table's topic has. */
  records(table: string): Promise<number>;
  /** Reads a table's topic whole. */
  readTopic(table: string): Promise<void>;
  forgetTopic(table: string): Promise<void>;
  close(): Promise<void>;
};

export const topicOf = (table: string): string => `soak.${table}`;

export async function openSinks(path: string, bootstrap: string): Promise<Sinks> {
  const witness: KafkaWitness = await kafkaWitness(bootstrap);
  const kafkajs = new Kafka({
    clientId: "soak",
    brokers: bootstrap.split(","),
    logLevel: logLevel.NOTHING,
  });
  const admin = kafkajs.admin();
  await admin.connect();
  const file = createTallies();
  const kafka = createTallies();
  const push = lineHeads(file.take);
  const buffer = Buffer.alloc(1 << 22);
  let offset = 0;

  async function readFile(): Promise<void> {
    const handle = await open(path, "r").catch(() => undefined);
    if (!handle) return;
    try {
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, offset);
        if (bytesRead === 0) return;
        offset += bytesRead;
        push(buffer.subarray(0, bytesRead));
      }
    } finally {
      await handle.close();
    }
  }

  return {
    file,
    kafka,
    readFile,
    records: (table) => witness.readable(topicOf(table)).catch(() => 0),
    async readTopic(table) {
      await witness.readAll(topicOf(table), ({ value }) => {
        if (value) kafka.take(value.latin1Slice(0, Math.min(value.length, headBytes)));
      });
    },
    forgetTopic: (table) => admin.deleteTopics({ topics: [topicOf(table)] }),
    async close() {
      await admin.disconnect();
      await witness.close();
    },
  };
}
