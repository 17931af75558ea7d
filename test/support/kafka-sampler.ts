import { Kafka, logLevel } from "kafkajs";

/** When a record was written, in Unix milliseconds: not before `from`, not after `until`. */
export type WrittenWithin = { readonly from: number; readonly until: number };

/**
 * Asks again and again where the partitions of a copy end: its records have the timestamps of their
 * source, so nothing in them says when they were written.
 */
export type Sampler = {
  writtenWithin(topic: string, partition: number, offset: number): WrittenWithin;
  stop(): Promise<void>;
};

const intervalMs = 80;

/** An end that was seen from `first` to `last`. */
type Seen = { readonly high: number; readonly first: number; last: number };

export function startSampler(
  bootstrap: string,
  topics: readonly string[],
  note: (what: string) => void,
): Sampler {
  const kafka = new Kafka({
    brokers: bootstrap.split(","),
    clientId: "chaos-sampler",
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    requestTimeout: 5_000,
  });
  const ends = new Map<string, Seen[]>();
  let stopping = false;

  function see(at: string, high: number, asked: number): void {
    const seen = ends.get(at) ?? [];
    ends.set(at, seen);
    const last = seen.at(-1);
    if (last?.high === high) last.last = asked;
    else seen.push({ high, first: Date.now(), last: asked });
  }

  async function sample(admin: ReturnType<Kafka["admin"]>): Promise<void> {
    while (!stopping) {
      for (const topic of topics) {
        const asked = Date.now();
        // It may not be there yet.
        const found = await admin.fetchTopicOffsets(topic).catch((error: unknown) => {
          if (!/does not host this topic|not exist/i.test(String(error))) throw error;
          return [];
        });
        for (const { partition, high } of found) see(`${topic}/${partition}`, Number(high), asked);
      }
      await Bun.sleep(intervalMs);
    }
  }

  async function run(): Promise<void> {
    while (!stopping) {
      const admin = kafka.admin();
      try {
        await admin.connect();
        await sample(admin);
      } catch (error) {
        note(`sampler: ${error instanceof Error ? error.message : error}`);
        await Bun.sleep(intervalMs);
      } finally {
        await admin.disconnect().catch(() => {});
      }
    }
  }

  const running = run();
  return {
    writtenWithin(topic, partition, offset) {
      const seen = ends.get(`${topic}/${partition}`) ?? [];
      const at = seen.findIndex(({ high }) => high > offset);
      const from = seen[(at < 0 ? seen.length : at) - 1]?.last ?? 0;
      return { from, until: seen[at]?.first ?? Number.POSITIVE_INFINITY };
    },
    async stop() {
      stopping = true;
      await running;
    },
  };
}
