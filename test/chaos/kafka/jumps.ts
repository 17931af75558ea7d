import type { WrittenWithin } from "../../support/kafka-sampler.ts";
import { lastDurable, type Run, type Stall } from "../duplicates.ts";

/** A record of the copy: which it is of those of its stream, from 0, and when it was written. */
export type Step = WrittenWithin & { readonly at: number };

export type JumpsOptions = {
  readonly runs: readonly Run[];
  readonly stalls: readonly Stall[];
  readonly windowRecords: number;
  readonly checkpointMs: number;
};

/** What a killed run had sent may be held back by a fault, and be written after its end. */
const lateMsMax = 5_000;

export type Jump = {
  /** Records that are there already, and how many may be repeated. */
  readonly repeats: number;
  readonly most: number;
  /** No run has ended before it. */
  readonly own: boolean;
};

/**
 * Where one partition of the source goes back in the copy. That may only be where a run has ended,
 * and not behind what the last checkpoint that was due before that end covers: all that the run had
 * written by then, but for what was in flight. One that had come to no checkpoint leaves what the run
 * before it left.
 */
export function jumpsOf(steps: readonly Step[], options: JumpsOptions): readonly Jump[] {
  const ended = options.runs.filter(({ endedAt }) => Number.isFinite(endedAt));
  const jumps: Jump[] = [];
  let durable = 0;
  let furthest = -1;
  let begin = 0;
  for (const [index, step] of steps.entries()) {
    const before = steps[index - 1];
    if (before !== undefined && step.at <= before.at) {
      const segment = steps.slice(begin, index);
      const last = ended.findLast(({ endedAt }) => endedAt <= step.from);
      durable = Math.max(durable, coveredBy(last, segment, options));
      const since = before.from - lateMsMax;
      const own = !ended.some(({ endedAt }) => endedAt >= since && endedAt <= step.until);
      jumps.push({ repeats: furthest + 1 - step.at, most: furthest + 1 - durable, own });
      begin = index;
    }
    furthest = Math.max(furthest, step.at);
  }
  return jumps;
}

/** How many records of the stream the checkpoint of a run covers for certain. */
function coveredBy(run: Run | undefined, segment: readonly Step[], options: JumpsOptions): number {
  if (run === undefined) return 0;
  const durableAt = run.clean ? run.endedAt : lastDurable(run.endedAt, options);
  const covered = segment.findLast(({ until }) => until <= durableAt);
  if (covered === undefined) return 0;
  return covered.at + 1 - (run.clean ? 0 : options.windowRecords);
}

export type SumOptions = {
  readonly starts: number;
  readonly disturbances: number;
  readonly members: number;
  readonly windowRecords: number;
  /** After that time of the copy at the latest it is known elsewhere how far a member is. */
  readonly unknownMs: number;
};

/**
 * How much may come twice in all where partitions move between members, or wait on a disk: each
 * disturbance may leave, of each member, what was in flight and what was written since what others
 * know of it.
 */
export function repeatsSum(
  written: readonly WrittenWithin[],
  { starts, disturbances, members, windowRecords, unknownMs }: SumOptions,
): number {
  const times = written.map(({ until }) => until).sort((a, b) => a - b);
  let most = 0;
  for (let first = 0, next = 0; next < times.length; next++) {
    while ((times[first] ?? 0) < (times[next] ?? 0) - unknownMs) first++;
    most = Math.max(most, next - first + 1);
  }
  return (starts + disturbances) * (members * windowRecords + most);
}
