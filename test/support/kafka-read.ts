import { kafkaWitness, type TopicRecord } from "./kafka-topic.ts";
import { waitFor } from "./wait-for.ts";

/**
 * Every record of a topic, in the order of each partition. Waits for a broker that has just
 * started: for a while it knows no consumer groups.
 */
export function readTopic(bootstrap: string, topic: string): Promise<TopicRecord[]> {
  return waitFor(
    async () => {
      const witness = await kafkaWitness(bootstrap);
      try {
        const records: TopicRecord[] = [];
        await witness.readAll(topic, (record) => records.push(record));
        return records;
      } finally {
        await witness.close();
      }
    },
    { what: `topic ${topic} to be read`, timeoutMs: 30_000, intervalMs: 200 },
  );
}
