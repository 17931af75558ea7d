import type { Summary } from "./fuzz-child-options.ts";

/** One object for machines, with the rate beside what it is made of. */
export function jsonOf(summaries: readonly Summary[]): string {
  const results = summaries.map((one) => ({ ...one, rate: rateOf(one) }));
  return JSON.stringify({ seed: summaries[0]?.seed ?? null, results });
}

/** One table for people, in Markdown, so that a page can hold it as it is. */
export function tableOf(summaries: readonly Summary[]): string {
  const rows = summaries.map((one) => [
    one.target,
    String(one.seed),
    String(one.cases),
    String(rateOf(one)),
    String(one.failures.length),
    `${one.peakMiB} MiB`,
    codesOf(one),
  ]);
  const head = ["target", "seed", "cases", "cases/s", "failures", "peak memory", "answers"];
  const widths = head.map((title, c) =>
    Math.max(title.length, ...rows.map((row) => row[c]!.length)),
  );
  // The last column is as long as it is: nothing stands behind it.
  widths[widths.length - 1] = 7;
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, c) => cell.padEnd(widths[c]!)).join(" | ")} |`;
  const rule = line(widths.map((width) => "-".repeat(width)));
  return [line(head), rule, ...rows.map(line)].join("\n");
}

function rateOf({ cases, seconds }: Summary): number {
  return seconds > 0 ? Math.round(cases / seconds) : 0;
}

/** The most frequent first. */
function codesOf({ codes }: Summary): string {
  const sorted = Object.entries(codes).sort(([, a], [, b]) => b - a);
  return sorted.map(([code, count]) => `${code} ${count}`).join(", ");
}
