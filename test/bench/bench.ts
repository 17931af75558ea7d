import type { Result } from "./result.ts";

export type BenchOptions = {
  /** How long a case without an end of its own runs. */
  readonly seconds: number;
  /** Rows of the workload, where the bench has one. */
  readonly rows: number;
  /** Which peers run beside us in the same run. */
  readonly peers: readonly string[];
  /** Leaves our own side out: for a look at the peers alone. */
  readonly peersOnly: boolean;
};

export type Bench = {
  readonly name: string;
  readonly summary: string;
  /** The peers that `--peer` may name. */
  readonly peers: readonly string[];
  readonly defaults: { readonly seconds: number; readonly rows: number };
  /** Runs every case; the first result is the main one. */
  run(options: BenchOptions): Promise<readonly Result[]>;
};

const started = performance.now();

/** Says on standard error what is being done; standard output stays for the results. */
export function say(what: string): void {
  process.stderr.write(`[bench ${((performance.now() - started) / 1000).toFixed(1)}s] ${what}\n`);
}
