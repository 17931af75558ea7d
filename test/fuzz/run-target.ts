import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChildOptions, Failure, Summary } from "./fuzz-child-options.ts";
import { readProgress } from "./progress.ts";

export type RunOptions = Omit<ChildOptions, "progressFile" | "summaryFile" | "saveTo"> & {
  /** A case that takes longer is given up, and its process with it. */
  readonly hangMs: number;
  /** Called about once a second. */
  onProgress?(cases: number): void;
};

/** Runs one target in a process of its own, and tells also what that process could not tell. */
export async function runTarget(options: RunOptions): Promise<Summary> {
  const dir = mkdtempSync(join(tmpdir(), "dbus-fuzz-run-"));
  try {
    return await run(options, dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function run({ hangMs, onProgress, ...options }: RunOptions, dir: string): Promise<Summary> {
  const progressFile = join(dir, "progress");
  const summaryFile = join(dir, "summary.json");
  const given: ChildOptions = { ...options, progressFile, summaryFile, saveTo: null };
  const child = startChild(given);
  const said = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  let hung = false;
  let seen: string | undefined;
  let since = performance.now();
  const watch = setInterval(() => {
    const now = readProgress(progressFile);
    const cases = `${now?.cases}`;
    if (cases !== seen) since = performance.now();
    seen = cases;
    onProgress?.(now?.cases ?? 0);
    if (performance.now() - since < hangMs) return;
    hung = true;
    child.kill("SIGKILL");
  }, 500);
  const code = await child.exited;
  clearInterval(watch);
  const [out, err] = await said;
  const summary = readSummary(summaryFile);
  if (code === 0 && summary) return summary;
  const why = hung ? `it did not end within ${hangMs} ms` : `the process ended with ${code}`;
  return unfinished(given, `${why}\n${out.slice(-2000)}${err.slice(-4000)}`);
}

function startChild(options: ChildOptions) {
  const script = join(import.meta.dir, "fuzz-child.ts");
  return Bun.spawn([process.execPath, script, JSON.stringify(options)], {
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
}

function readSummary(file: string): Summary | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Summary;
  } catch {
    return undefined;
  }
}

/** What is known of a process that could not say it itself: the case that it was at. */
async function unfinished(options: ChildOptions, what: string): Promise<Summary> {
  const { target, seed, corpus, inputs } = options;
  const at = readProgress(options.progressFile);
  const files = options.only === null ? inputs : corpus;
  const number = at === undefined || at.case < 0 ? null : at.case;
  const file = at && at.case < 0 ? files[-1 - at.case] : undefined;
  const replay =
    number === null
      ? `bun run fuzz ${target}${file === undefined ? "" : ` --input ${file}`}`
      : `bun run fuzz ${target} --seed ${seed} --case ${number}`;
  const label = file ?? (number === null ? "the start" : `case ${number}`);
  const folder = mkdtempSync(join(tmpdir(), `dbus-fuzz-${target}-`));
  writeFileSync(join(folder, "report.txt"), `${label}, seed ${seed}\n${replay}\n\n${what}\n`);
  if (number !== null) {
    const saving = { ...options, only: { case: number }, saveTo: join(folder, "input") };
    await startChild(saving).exited;
  }
  const failure: Failure = { case: number, label, what, folder, replay };
  const cases = at?.cases ?? 0;
  return { target, seed, cases, seconds: 0, codes: {}, failures: [failure], peakMiB: 0 };
}
