/** One measured case, as `--json` prints it. `docs/benchmarks.md` says what each case is. */
export type Result = {
  readonly case: string;
  /** The figure itself, in `unit`: a rate, or a time for the cases of `latency`. */
  readonly rate: number;
  readonly unit: string;
  /** The largest resident memory of the measured process, in MiB. */
  readonly rssMiBMax: number;
  /** User and system time of the measured process, in seconds. */
  readonly cpuSeconds: number;
  /** Our figure divided by that of each peer of the same run; for times, theirs by ours. */
  readonly ratio?: Readonly<Record<string, number>>;
};

export type Report = { readonly bench: string; readonly results: readonly Result[] };

/** The report as a table for people. */
export function tableOf(report: Report): string {
  const head = ["case", "rate", "unit", "peak MiB", "CPU s", "ratio"];
  const rows = report.results.map((result) => [
    result.case,
    grouped(result.rate),
    result.unit,
    result.rssMiBMax.toFixed(0),
    result.cpuSeconds.toFixed(1),
    Object.entries(result.ratio ?? {})
      .map(([peer, ratio]) => `${peer} ${ratio.toPrecision(3)}`)
      .join(", "),
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const numeric = new Set([1, 3, 4]);
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return numeric.has(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [`bench ${report.bench}`, line(head), rule, ...rows.map(line)].join("\n");
}

function grouped(rate: number): string {
  return rate.toLocaleString("en-US", { maximumFractionDigits: rate < 100 ? 2 : 0 });
}

/** The report as one JSON object, figures rounded to what was measured. */
export function jsonOf(report: Report): string {
  const results = report.results.map(({ ratio, ...result }) => ({
    ...result,
    rate: Number(result.rate.toPrecision(6)),
    rssMiBMax: Number(result.rssMiBMax.toFixed(1)),
    cpuSeconds: Number(result.cpuSeconds.toFixed(2)),
    ratio: Object.fromEntries(
      Object.entries(ratio ?? {}).map(([peer, value]) => [peer, Number(value.toPrecision(4))]),
    ),
  }));
  return JSON.stringify({ bench: report.bench, results });
}
