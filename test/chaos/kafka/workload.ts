import {
  compressionOf,
  type OnceMessage,
  onceClient,
  type Producers,
  producersOf,
} from "../../support/kafka-once.ts";
import { type Random, seededRandom } from "../../support/random.ts";
import { padding } from "../faults.ts";
import type { Journal } from "../journal.ts";
import type { Workload } from "../workload.ts";
import type { Fates } from "./expected.ts";
import type { KafkaWorkloadPlan } from "./plan.ts";

export type KafkaWorkloadOptions = {
  readonly bootstrap: string;
  /** Those that there are now; one more may come. */
  readonly topics: () => readonly string[];
  readonly plan: KafkaWorkloadPlan;
  readonly seed: number;
  readonly journal: Journal;
};

/** Then they go on record by record: a round that takes long must not drown in its own. */
const usualRecordsMax = 8_000;
const againAfterMs = 100;
/**
 * Writers that go on whatever happens to the broker. Each record has a number of its own in its header
 * `n`; what became of those whose answer was lost, the topic tells.
 */
export function startKafkaWorkload(
  options: KafkaWorkloadOptions,
): Workload & { readonly fates: Fates } {
  const { plan, seed, journal } = options;
  const kafka = onceClient(options.bootstrap);
  const fates = { aborted: new Set<string>(), unsure: new Set<string>() };
  let stopping = false;
  let written = 0;
  let burstAt = Number.POSITIVE_INFINITY;

  function countOf(random: Random): number {
    if (plan.burst !== undefined && performance.now() >= burstAt) {
      burstAt = Number.POSITIVE_INFINITY;
      journal.note(`a burst of ${plan.burst.records} records begins`);
      return plan.burst.records;
    }
    const count = written > usualRecordsMax ? 1 : random.int(1, plan.batchMax);
    written += count;
    return count;
  }

  async function writeOn(writer: number, { plain, transactional }: Producers, random: Random) {
    const next = numberedMessages(`${writer}-${Date.now().toString(36)}`, random, plan);
    while (!stopping) {
      const topic = random.pick(options.topics());
      const messages = Array.from({ length: countOf(random) }, next);
      const batch = { topic, messages, acks: -1, compression: compressionOf(random) };
      if (random.chance(plan.transactions)) {
        const transaction = await transactional.transaction();
        const names = messages.map(({ headers }) => String(headers?.n));
        for (const name of names) fates.unsure.add(name);
        await transaction.send(batch);
        const aborts = random.chance(1 / 3);
        await (aborts ? transaction.abort() : transaction.commit());
        for (const name of names) {
          fates.unsure.delete(name);
          if (aborts) fates.aborted.add(name);
        }
      } else await plain.send(batch);
      await Bun.sleep(random.int(1, plan.pauseMsMax));
    }
  }

  async function write(writer: number): Promise<void> {
    const random = seededRandom(seed + writer);
    while (!stopping) {
      const producers = producersOf(kafka, `${seed}-${writer}`);
      const both = [producers.plain, producers.transactional];
      try {
        await Promise.all(both.map((producer) => producer.connect()));
        await writeOn(writer, producers, random);
      } catch (error) {
        journal.note(`writer ${writer}: ${error instanceof Error ? error.message : error}`);
        await Bun.sleep(againAfterMs);
      } finally {
        await Promise.allSettled(both.map((producer) => producer.disconnect()));
      }
    }
  }

  const all = Promise.all(Array.from({ length: plan.writers }, (_, index) => write(index + 1)));
  return {
    fates,
    loadBegins() {
      if (plan.burst !== undefined) burstAt = performance.now() + plan.burst.atMs;
    },
    async stop() {
      stopping = true;
      await all;
    },
  };
}

/** Each call gives the next record: a key of few or many, a value of JSON or a tombstone. */
export function numberedMessages(
  writer: string,
  random: Random,
  { keys, padMax, nullKeys }: Pick<KafkaWorkloadPlan, "keys" | "padMax" | "nullKeys">,
): () => OnceMessage {
  let n = 0;
  return () => {
    const name = `${writer}-${++n}`;
    const key = nullKeys && random.chance(0.15) ? null : keyOf(random.int(1, keys));
    const headers = { n: name, trace: Buffer.from([0, n & 255, 255]) };
    const timestamp = String(Date.now());
    if (key !== null && random.chance(0.1)) return { key, value: null, headers, timestamp };
    // Digits that no number of JavaScript holds.
    const big = `184467440737095${random.int(10_000, 51_615)}`;
    const pad = `${padding}${"x".repeat(random.int(0, padMax))}`;
    const value = `{"name":"${name}","big":${big},"pad":"${pad}","text":"ä\\u0000\\"${n}"}`;
    return { key, value, headers, timestamp };
  };
}

/** Most as people write them, some with what no id of a document may be. */
function keyOf(number: number): string {
  if (number % 10 === 3) return `schlüssel/ ${number}`;
  return number % 10 === 7 ? `{"id":${number}}` : `k${number}`;
}
