import type { Job } from "./plan.ts";

/** What became of one job. */
export type JobResult = {
  readonly job: Job;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly ms: number;
  /** One for each file with a failure, or for the process as a whole. */
  readonly failures: readonly Failure[];
  /** What was skipped and why, a line each. */
  readonly skips: readonly string[];
};

export type Failure = {
  readonly file: string | undefined;
  readonly text: string;
};

type Ended = {
  readonly job: Job;
  readonly output: string;
  readonly code: number;
  readonly timedOut: boolean;
  /** Whether the run's secret was printed. */
  readonly leaked?: boolean;
  readonly ms: number;
};

/**
 * Reads the counts that `bun test` prints at its end. A process that ended without them, or that
 * reports success with a failing exit code, or ran nothing, counts as one failure more: it has not shown that
 * its tests pass.
 */
export function readResult(ended: Ended): JobResult {
  const { job, output, code, timedOut, leaked = false, ms } = ended;
  const finished = /\nRan \d+ tests? across \d+ files?/.test(output) && !timedOut;
  const counts = finished
    ? summaryCounts(output)
    : { passed: (output.match(/^\(pass\) /gm) ?? []).length, failed: 0, skipped: 0 };
  const failures = [...failedFiles(output)];
  let failed = finished ? counts.failed : (output.match(/^\(fail\) /gm) ?? []).length;
  // A name pattern (-t) need not meet a test in every file.
  const unmatched = /^error: .*matched 0 tests/m.test(output);
  if (unmatched) return { job, passed: 0, failed: 0, skipped: 0, ms, failures: [], skips: [] };
  const silent = counts.passed + counts.failed + counts.skipped === 0;
  if (!finished || silent || (code !== 0 && failed === 0)) {
    failed++;
    const how = timedOut
      ? `did not end within ${job.timeoutMs / 60_000} minutes`
      : `ended with ${code} ${silent ? "and ran no test" : ""}`.trim();
    failures.push({
      file: job.files.length === 1 ? job.files[0] : undefined,
      text: `${how}:\n${tail(output)}`,
    });
  }
  if (leaked) {
    failed++;
    const text = "it printed the secret of this run, DBUS_TEST_CANARY, or a daemon wrote it (S4)";
    failures.push({ file: job.files.length === 1 ? job.files[0] : undefined, text });
  }
  const skips = [...output.matchAll(/^\((?:skip|todo)\) (.*)$/gm)].map((found) => found[1] ?? "");
  return { job, passed: counts.passed, failed, skipped: counts.skipped, ms, failures, skips };
}

function summaryCounts(output: string): { passed: number; failed: number; skipped: number } {
  const summary = output.slice(Math.max(0, output.lastIndexOf("\nRan ") - 400));
  const count = (word: string): number => {
    const found = [...summary.matchAll(new RegExp(`^ +(\\d+) ${word}$`, "gm"))].at(-1);
    return Number(found?.[1] ?? 0);
  };
  return { passed: count("pass"), failed: count("fail"), skipped: count("skip") + count("todo") };
}

/** The part of the output of each file in which something failed. */
function* failedFiles(output: string): Generator<Failure> {
  const parts = output.split(/^(test\/\S+\.test\.ts):$/m);
  for (let at = 1; at < parts.length; at += 2) {
    const text = (parts[at + 1] ?? "").replace(/^\((pass|skip|todo)\) .*\n/gm, "");
    if (/^\(fail\) |^# Unhandled error/m.test(text)) yield { file: parts[at], text: tail(text) };
  }
}

/** The last lines, without the summary that bun prints for all files together. */
function tail(text: string): string {
  const body = text.replace(/\n *\d+ pass\n[\s\S]*?\nRan .*\n?$/, "").trimEnd();
  const lines = body.split("\n");
  const cut = lines.length > 150 ? [`(${lines.length - 150} lines before)`] : [];
  return [...cut, ...lines.slice(-150)].join("\n");
}
