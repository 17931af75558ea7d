import type { Change } from "../support/ledger.ts";
import { checkLedger, type LedgerReport, reportText } from "../support/ledger-checker.ts";
import { type RepeatsOptions, type RunRepeats, repeatsOf } from "./duplicates.ts";
import type { SinkRecords } from "./sinks.ts";

/** What became of the committed changes in one output. */
export type Verdict = {
  readonly output: string;
  readonly committed: number;
  readonly lost: number;
  /** Seen with values that were never committed so, or not to be read at all. */
  readonly corrupted: number;
  /** Out of order for their key, or an old row left as the last one. */
  readonly reordered: number;
  readonly duplicated: number;
  readonly runs: readonly RunRepeats[];
  /** What is wrong, as text; empty when nothing is. */
  readonly problems: readonly string[];
};

export function verdictOf(
  output: string,
  committed: readonly Change[],
  { sightings, broken }: SinkRecords,
  options: RepeatsOptions,
): Verdict {
  const report = checkLedger(committed, sightings);
  const named = sightings.map((seen) => ({
    ...{ name: `${seen.key} ${seen.op} ${seen.n}`, writtenAt: seen.writtenAt },
  }));
  const runs = repeatsOf(named, options);
  const problems: string[] = [];
  const wrong = wrongOf(report);
  if (wrong.lost + wrong.corrupted + wrong.reordered > 0) {
    problems.push(`${output}: ${reportText(report)}`);
  }
  if (broken.length > 0) problems.push(`${output}: ${broken.length} broken (${broken[0]})`);
  for (const [index, { repeats, most, own }] of runs.entries()) {
    const run = `run ${index + 1} of ${runs.length}`;
    if (repeats > most) problems.push(`${output}: ${run} repeats ${repeats}, at most ${most}`);
    if (own > 0) problems.push(`${output}: ${run} wrote ${own} records more than once itself`);
  }
  const counts = { committed: report.committed, duplicated: report.duplicates };
  const corrupted = wrong.corrupted + broken.length;
  return { output, ...counts, ...wrong, corrupted, runs, problems };
}

function wrongOf({ lost, strange, changed, disordered, stale }: LedgerReport) {
  return {
    lost: lost.count,
    corrupted: strange.count + changed.count,
    reordered: disordered.count + stale.count,
  };
}
