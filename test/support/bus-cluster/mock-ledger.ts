import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/*
 * What mock inputs made and files have, over all participants. A mock input counts its rows, each
 * output notes when it wrote one down, and each participant has a file of its own for each input.
 */
export type MockLine = { readonly n: number; readonly by: string; readonly at: bigint };

export type MockSum = {
  /** How many rows there are from the first on, without a gap. */
  readonly rows: number;
  /** Rows beyond the first gap: what is lost, unless it is still on its way. */
  readonly beyondGap: number;
  readonly duplicates: number;
  /** How often another participant went on writing. */
  readonly turns: number;
  /** How often one went back, to the last checkpoint: at the start of a time of ownership. */
  readonly rewinds: number;
  /** A row that came before one that stands earlier, by the same participant within one turn. */
  readonly disorder: number;
};

/** The part of a configuration that makes such files: `count` inputs, `rate` rows a second each. */
export function mockConfig(dir: string, count: number, rate: number) {
  const names = Array.from({ length: count }, (_, n) => `in${n}`);
  return {
    inputs: names.map((name) => {
      return { name, plugin: "MockInput", ident: name, payload: "rows", rate };
    }),
    outputs: names.map((name) => {
      const file = join(dir, `${name}.\${DBUS_NODE}.ndjson`);
      return { name: `to-${name}`, plugin: "StreamOutput", match: name, file };
    }),
    bus: { checkpointIntervalMs: 500 },
  };
}

/** All lines of an input, in the order in which they were written. */
export function mockLines(dir: string, input: string): readonly MockLine[] {
  const files = readdirSync(dir).filter((file) => file.startsWith(`${input}.`));
  const lines = files.flatMap((file) => {
    const by = file.split(".")[1] ?? "";
    // The last line of one that was killed may be torn.
    const whole = readFileSync(join(dir, file), "utf8").split("\n").slice(0, -1);
    return whole.map((line): MockLine => {
      // Of a mock its position, of a table its key, which both count.
      const [, id] = /"log":"mock\./.test(line) ? [] : (/"rows":\[\[(\d+)/.exec(line) ?? []);
      const n = id === undefined ? Number(/"pos":(\d+)/.exec(line)?.[1]) : Number(id) - 1;
      return { n, by, at: BigInt(/"dt":(\d+)/.exec(line)?.[1] ?? 0) };
    });
  });
  return lines.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}

export function mockSum(lines: readonly MockLine[]): MockSum {
  const seen = new Set(lines.map(({ n }) => n));
  let rows = 0;
  while (seen.has(rows)) rows++;
  let turns = 0;
  let disorder = 0;
  let rewinds = 0;
  for (let i = 1; i < lines.length; i++) {
    const [before, line] = [lines[i - 1] as MockLine, lines[i] as MockLine];
    if (line.n <= before.n) rewinds++;
    if (before.by !== line.by) turns++;
    else if (line.n < before.n) disorder++;
  }
  const beyondGap = seen.size - rows;
  return { rows, beyondGap, duplicates: lines.length - seen.size, turns, rewinds, disorder };
}
