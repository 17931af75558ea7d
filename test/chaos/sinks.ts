import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { compareLedger, writesTo } from "../support/es-ledger.ts";
import { kafkaWitness } from "../support/kafka-topic.ts";
import { type Sighting, sightingsOf } from "../support/ledger-records.ts";
import type { LedgerAddress } from "../support/ledger-writer.ts";

/** What an output has written, seen from outside. */
export type Sink = {
  readonly name: string;
  /** Grows with every record; cheap to ask for. */
  size(): Promise<number>;
  /** Less cannot hold so many changes. */
  sizeMin(changes: number): number;
  /** Every record, in the order of each key. */
  read(): Promise<SinkRecords>;
};

/** What an output has written that keeps the newest state of each row alone. */
export type StateSink = {
  readonly name: string;
  /** Grows with every document that is written or deleted; cheap to ask for. */
  size(): Promise<number>;
  /** What is not there as it is in MySQL, as text; empty when nothing is. */
  difference(isExpected: (key: string) => boolean): Promise<string>;
};

/** The indices of a round, held against its tables row by row. */
export function esSink(url: string, prefix: string, mysql: LedgerAddress, db: string): StateSink {
  return {
    name: "elasticsearch",
    size: () => writesTo(url, [`${prefix}.item`, `${prefix}.txn`]),
    async difference(isExpected) {
      const found = await compareLedger(mysql, url, { db, prefix, isExpected });
      const kinds = ["missing", "left", "changed"] as const;
      return kinds
        .filter((kind) => found[kind].length > 0)
        .map((kind) => `${found[kind].length} ${kind}, such as ${found[kind].slice(0, 3)}`)
        .join("; ");
    },
  };
}

export type SinkRecords = {
  readonly sightings: readonly Sighting[];
  /** What is no record of the ledger, or has another row's key, as text. */
  readonly broken: readonly string[];
};

/** Reads a record as what it says; what cannot be read is `broken`. */
function readInto(broken: string[], value: Uint8Array | null): Sighting[] {
  try {
    return sightingsOf(value);
  } catch (error) {
    const text = value === null ? "" : new TextDecoder().decode(value.subarray(0, 200));
    broken.push(`${error instanceof Error ? error.message : error}: ${text}`);
    return [];
  }
}

export function kafkaSink(bootstrap: string, topics: readonly string[]): Sink {
  async function withWitness<T>(
    use: (witness: Awaited<ReturnType<typeof kafkaWitness>>) => Promise<T>,
  ): Promise<T> {
    const witness = await kafkaWitness(bootstrap);
    try {
      return await use(witness);
    } finally {
      await witness.close();
    }
  }
  return {
    name: "kafka",
    sizeMin: (changes) => changes,
    size: () =>
      withWitness(async (witness) => {
        const sizes = await Promise.all(topics.map((topic) => witness.readable(topic)));
        return sizes.reduce((sum, size) => sum + size, 0);
      }),
    read: () =>
      withWitness(async (witness) => {
        const sightings: Sighting[] = [];
        const broken: string[] = [];
        for (const topic of topics) {
          await witness.readAll(topic, ({ key, value }) => {
            for (const seen of readInto(broken, value)) {
              sightings.push(seen);
              if (`${key}` !== kafkaKeyOf(seen.key)) broken.push(`${seen.key} under ${key}`);
            }
          });
        }
        return { sightings, broken };
      }),
  };
}

/** The primary key as dbus writes it: `{"id":7}`, or `{"id":"1:25"}` in the table of numbers. */
function kafkaKeyOf(key: string): string {
  const id = key.slice(key.indexOf(":") + 1);
  return key.startsWith("txn:") ? `{"id":"${id}"}` : `{"id":${id}}`;
}

/** A file of lines, and those that were put aside before it, the oldest first. */
export function fileSink(path: string): Sink {
  const files = () => {
    const dir = dirname(path);
    const names = existsSync(dir) ? readdirSync(dir) : [];
    const aside = names.filter((name) => /\.\d+$/.test(name)).sort();
    const now = names.filter((name) => !aside.includes(name));
    return [...aside, ...now].map((name) => join(dir, name));
  };
  return {
    name: "file",
    // Two changes can share a line, which is far longer than that.
    sizeMin: (changes) => changes * 100,
    size: async () => files().reduce((sum, file) => sum + statSync(file).size, 0),
    read: async () => {
      const sightings: Sighting[] = [];
      const broken: string[] = [];
      for (const file of files()) {
        const bytes = readFileSync(file);
        for (let at = 0; at < bytes.length; ) {
          const end = bytes.indexOf(10, at);
          // What follows the last line end is still being written.
          if (end < 0) break;
          sightings.push(...readInto(broken, bytes.subarray(at, end)));
          at = end + 1;
        }
      }
      return { sightings, broken };
    },
  };
}
