/** One process of dbusd, in Unix milliseconds. */
export type Run = {
  readonly startedAt: number;
  readonly endedAt: number;
  /** It was asked to stop when nothing was wrong, and said that all is well. */
  readonly clean: boolean;
};

/** A time in which no checkpoint can be written, in Unix milliseconds. */
export type Stall = { readonly from: number; readonly to: number };

/** A record of an output: what it says, and when dbusd wrote it. */
export type Written = { readonly name: string; readonly writtenAt: number };

export type RepeatsOptions = {
  readonly runs: readonly Run[];
  readonly stalls: readonly Stall[];
  /** What may be in flight, in records. */
  readonly windowRecords: number;
  /** The interval of checkpoints, and the time that a commit may take on a busy machine. */
  readonly checkpointMs: number;
};

export type RunRepeats = {
  /** Records of the run that repeat one of an earlier run. */
  readonly repeats: number;
  /** How many may do so. */
  readonly most: number;
  /** Records of the run that repeat one of its own, which none may. */
  readonly own: number;
};

/**
 * Counts what each run repeated, against the bound of at-least-once delivery: a run may repeat
 * what was in flight when the last checkpoint before its start was due, and what was written after
 * that. A run that was killed before it had written anything new since its last due checkpoint
 * leaves what the run before it left, and whatever was new.
 */
export function repeatsOf(
  records: readonly Written[],
  options: RepeatsOptions,
): readonly RunRepeats[] {
  const { runs } = options;
  const byRun = runs.map((): Written[] => []);
  for (const record of records) {
    const run = runs.findLastIndex(({ startedAt }) => startedAt <= record.writtenAt);
    byRun[Math.max(0, run)]?.push(record);
  }
  const met = new Set<string>();
  let left = 0;
  return runs.map((run, index) => {
    const own = new Set<string>();
    const fresh: Written[] = [];
    let repeats = 0;
    for (const record of byRun[index] ?? []) {
      if (own.has(record.name)) continue;
      own.add(record.name);
      if (met.has(record.name)) repeats++;
      else fresh.push(record);
    }
    for (const name of own) met.add(name);
    const counted = { repeats, most: left, own: (byRun[index]?.length ?? 0) - own.size };
    left = run.clean ? leftByClean(fresh, repeats, left) : leftBy(run, fresh, left, options);
    return counted;
  });
}

/**
 * Who has come to something new has passed all that was left before it. Who was stopped before
 * that has kept where it was, and leaves the rest.
 */
function leftByClean(fresh: readonly Written[], repeats: number, before: number): number {
  return fresh.length > 0 ? 0 : Math.max(0, before - repeats);
}

/** How many records a run may leave in the sink that no checkpoint covers. */
function leftBy(
  run: Run,
  fresh: readonly Written[],
  before: number,
  options: RepeatsOptions,
): number {
  const durable = lastDurable(run.endedAt, options);
  const recent = fresh.filter(({ writtenAt }) => writtenAt > durable).length;
  const all = before + fresh.length;
  return recent === fresh.length ? all : Math.min(all, options.windowRecords + recent);
}

/** The latest moment whose checkpoint must be on disk at `end`. */
export function lastDurable(
  end: number,
  { stalls, checkpointMs }: Pick<RepeatsOptions, "stalls" | "checkpointMs">,
): number {
  let durable = end - checkpointMs;
  for (const { from, to } of stalls.toSorted((a, b) => b.from - a.from)) {
    if (to > durable && from < end) durable = Math.min(durable, from - checkpointMs);
  }
  return durable;
}
