import type { SoakPlan } from "./plan.ts";
import type { PhaseResult } from "./soak.ts";

export type SoakReport = {
  readonly seed: number;
  readonly plan: SoakPlan;
  readonly seconds: number;
  readonly results: readonly PhaseResult[];
};

export function jsonOf({ results, ...head }: SoakReport): string {
  const rounded = results.map((result) => ({
    ...result,
    seconds: round(result.seconds, 1),
    peakMib: round(result.peakMib, 1),
    boundMib: round(result.boundMib, 1),
    driftMib: result.driftMib === null ? null : round(result.driftMib, 1),
    slowestAnswerMs: round(result.slowestAnswerMs, 0),
  }));
  const ok = results.every(({ problems }) => problems.length === 0);
  return JSON.stringify({ ok, ...head, seconds: round(head.seconds, 1), results: rounded });
}

/** A line a phase, the peak beside the bound, and below it what is wrong. */
export function tableOf({ results, seconds }: SoakReport): string {
  const header = ["phase", "rows", "s", "peak", "bound", "drift", "answer", "lost", "double", ""];
  const rows = results.map((result) => [
    result.phase,
    result.rows.toLocaleString("en-US"),
    result.seconds.toFixed(0),
    `${result.peakMib.toFixed(0)} MiB`,
    `${result.boundMib.toFixed(0)} MiB`,
    result.driftMib === null ? "-" : `${result.driftMib.toFixed(0)} MiB`,
    `${result.slowestAnswerMs.toFixed(0)} ms`,
    String(result.lost),
    String(result.doubled),
    result.problems.length === 0 ? "ok" : "FAILED",
  ]);
  const all = [header, ...rows];
  const widths = header.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)));
  const lines = all.map((row) =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
  const problems = results.flatMap(({ phase, problems: found }) =>
    found.map((problem) => `${phase}: ${problem}`),
  );
  return `${[...lines, ...problems].join("\n")}\nin ${(seconds / 60).toFixed(1)} minutes\n`;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
