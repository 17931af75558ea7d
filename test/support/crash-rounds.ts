import type { DaemonProcess } from "./daemon-process.ts";
import type { KafkaWitness } from "./kafka-topic.ts";
import type { Random } from "./random.ts";
import { waitFor } from "./wait-for.ts";

/** Where every partition ended, by `topic/partition`. */
export type Ends = ReadonlyMap<string, bigint>;

/** What one killed run did, as Kafka saw it. */
export type Killed = {
  readonly ends: Ends;
  /** Records that it wrote. */
  readonly written: number;
  /** Records that it had written when the last checkpoint was due that must be on disk. */
  readonly covered: number;
};

export type CrashOptions = {
  readonly witness: KafkaWitness;
  readonly topics: readonly string[];
  readonly random: Random;
  readonly start: () => Promise<DaemonProcess>;
  /** `bus.checkpointIntervalMs`, and the time a commit may take on a busy machine. */
  readonly checkpointMs: number;
};

type Sample = { readonly at: number; readonly records: number };

/** Kills the daemon at random moments, one after the other. */
export function crashRounds(options: CrashOptions): { killOnce(): Promise<Killed> } {
  const { witness, topics, random } = options;

  const records = async () => {
    const counts = await Promise.all(topics.map((topic) => witness.readable(topic)));
    return counts.reduce((sum, count) => sum + count, 0);
  };

  async function killOnce(): Promise<Killed> {
    const before = await records();
    const daemon = await options.start();
    const samples: Sample[] = [];
    const sample = async () => {
      samples.push({ at: performance.now(), records: await records() });
      return samples.at(-1)?.records ?? 0;
    };
    // One in five dies before it has moved anything, the others while rows are moving.
    if (random.chance(0.2)) {
      await sampleFor(random.int(0, 1_000), sample);
    } else {
      const moving = async () => {
        if (!daemon.running) throw new Error(`dbusd ended by itself:\n${await daemon.log()}`);
        return (await sample()) > before;
      };
      await waitFor(moving, { what: "rows to move", timeoutMs: 60_000 });
      await sampleFor(random.int(50, 2_500), sample);
    }
    if (!daemon.running) throw new Error(`dbusd ended by itself:\n${await daemon.log()}`);
    const killedAt = performance.now();
    daemon.kill("SIGKILL");
    await daemon.exited;
    const after = await settledRecords(records);
    const covered = recordsAt(samples, killedAt - options.checkpointMs) ?? before;
    return {
      ends: await endsOf(witness, topics),
      written: after - before,
      covered: covered - before,
    };
  }
  return { killOnce };
}

async function sampleFor(ms: number, sample: () => Promise<unknown>): Promise<void> {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    await sample();
    await Bun.sleep(Math.min(20, Math.max(0, until - performance.now())));
  }
}

/** How many records there were at `time`: a checkpoint that is not older than that is on disk. */
function recordsAt(samples: readonly Sample[], time: number): number | undefined {
  return samples.findLast((sample) => sample.at <= time)?.records;
}

/** The broker may still append what the killed process had sent: waits until it has. */
async function settledRecords(records: () => Promise<number>): Promise<number> {
  let known = -1;
  let same = 0;
  return waitFor(
    async () => {
      const now = await records();
      same = now === known ? same + 1 : 0;
      known = now;
      return same >= 5 ? now + 1 : false;
    },
    { what: "Kafka to append what was sent", intervalMs: 40 },
  ).then((plusOne) => plusOne - 1);
}

export async function endsOf(witness: KafkaWitness, topics: readonly string[]): Promise<Ends> {
  const ends = new Map<string, bigint>();
  for (const topic of topics) {
    for (const [partition, high] of await witness.highs(topic)) {
      ends.set(`${topic}/${partition}`, high);
    }
  }
  return ends;
}

/** The number of records of each run that repeat one of the same or an earlier run. */
export function repeatsByRun(
  records: readonly { readonly at: string; readonly offset: bigint; readonly name: string }[],
  ends: readonly Ends[],
): number[] {
  const runOf = (at: string, offset: bigint) => {
    const run = ends.findIndex((each) => offset < (each.get(at) ?? 0n));
    return run === -1 ? ends.length : run;
  };
  const runs = records.map((record) => ({ ...record, run: runOf(record.at, record.offset) }));
  const repeats = Array.from({ length: ends.length + 1 }, () => 0);
  const met = new Set<string>();
  for (const { name, run } of runs.toSorted((a, b) => a.run - b.run)) {
    if (met.has(name)) repeats[run] = (repeats[run] ?? 0) + 1;
    met.add(name);
  }
  return repeats;
}

/**
 * How many records the run after each kill may write again, by delivery.md 4.4: what was in flight
 * and what had been acked since the last durable checkpoint. A run that was killed before it was
 * through with its own repeats leaves those of the run before it to the next. `repeats` are those
 * of the killed runs themselves, as they were counted.
 */
export function repeatsMax(
  kills: readonly Killed[],
  repeats: readonly number[],
  windowPackets: number,
): number[] {
  let bound = 0;
  return kills.map(({ written, covered }, run) => {
    const passed = covered > 0 && covered >= (repeats[run] ?? 0);
    bound = passed ? windowPackets + written - covered : Math.max(bound, written);
    return bound;
  });
}
