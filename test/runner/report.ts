import type { JobResult } from "./job-result.ts";

/** Prints the failures and the closing line; returns the exit code. */
export function report(results: readonly JobResult[]): number {
  const sum = (of: (result: JobResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  const [passed, failed, skipped] = [
    sum((result) => result.passed),
    sum((result) => result.failed),
    sum((result) => result.skipped),
  ];
  const lines: string[] = [];
  for (const result of results) {
    for (const failure of result.failures) {
      lines.push("", `--- ${failure.file ?? result.job.name} ---`, failure.text.trim());
      lines.push(`run it alone: bun run test ${failure.file ?? "unit"}`);
    }
  }
  if (skipped > 0) lines.push("", `${skipped} SKIPPED:`);
  for (const result of results) {
    for (const skip of result.skips) lines.push(`  ${result.job.name}: ${skip}`);
  }
  const tail = skipped > 0 ? `, ${skipped} skipped` : "";
  lines.push("", `${passed} passed, ${failed} failed${tail}`);
  process.stdout.write(`${lines.join("\n")}\n`);
  return failed > 0 || passed === 0 ? 1 : 0;
}
