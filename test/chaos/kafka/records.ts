import { kafkaWitness, type TopicRecord } from "../../support/kafka-topic.ts";
import { waitFor } from "../../support/wait-for.ts";

/** A record of a topic as the judge compares it: bytes as text, one character a byte. */
export type SeenRecord = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** The number that its writer gave it; empty without one. */
  readonly name: string;
  readonly key: string | null;
  /** null is a tombstone. */
  readonly value: string | null;
  readonly timestamp: number;
  /** `name=value` each, in the order of the names. */
  readonly headers: readonly string[];
};

/**
 * All records of the topics, in the order of each partition, those of aborted transactions among them;
 * a topic that is missing has none.
 */
export function recordsOf(bootstrap: string, topics: readonly string[]): Promise<SeenRecord[]> {
  return waitFor(() => readAll(bootstrap, topics).then((records) => ({ records })), {
    ...{ what: `${topics} to be read`, timeoutMs: 60_000, intervalMs: 200 },
  }).then(({ records }) => records);
}

async function readAll(bootstrap: string, topics: readonly string[]): Promise<SeenRecord[]> {
  const witness = await kafkaWitness(bootstrap, { uncommitted: true });
  try {
    const records: SeenRecord[] = [];
    for (const topic of topics) {
      const isThere = await witness.highs(topic).catch(missing);
      if (isThere !== undefined) {
        await witness.readAll(topic, (record) => records.push(seenRecord(record)));
      }
    }
    return records;
  } finally {
    await witness.close();
  }
}

/** How many records the topics hold. */
export async function recordsIn(bootstrap: string, topics: readonly string[]): Promise<number> {
  const witness = await kafkaWitness(bootstrap);
  try {
    let sum = 0;
    for (const topic of topics) sum += (await witness.readable(topic).catch(missing)) ?? 0;
    return sum;
  } finally {
    await witness.close();
  }
}

/** Undefined for a topic that nobody has made yet; throws whatever else it is. */
function missing(error: unknown): undefined {
  if (/does not host this topic|not exist/i.test(String(error))) return undefined;
  throw error;
}

export function seenRecord(record: TopicRecord): SeenRecord {
  const { topic, partition, offset, key, value, timestamp } = record;
  const headers = Object.entries(record.headers ?? {}).flatMap(([name, one]) =>
    [one ?? ""].flat().map((each) => `${name}=${textOf(Buffer.from(each))}`),
  );
  const name = headers.find((header) => header.startsWith("n="))?.slice(2) ?? "";
  return {
    ...{ topic, partition, offset: Number(offset), name, timestamp, headers: headers.sort() },
    ...{ key: key && textOf(key), value: value && textOf(value) },
  };
}

const textOf = (bytes: Buffer) => bytes.toString("latin1");
