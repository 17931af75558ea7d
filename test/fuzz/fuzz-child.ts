import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededRandom } from "../support/random.ts";
import { meterAllocations } from "./allocations.ts";
import type { ChildOptions, Failure, Summary } from "./fuzz-child-options.ts";
import {
  decodeInput,
  encodeInput,
  type FuzzInput,
  type FuzzSession,
  type FuzzTarget,
} from "./fuzz-target.ts";
import { createMemoryWatch } from "./memory-watch.ts";
import { progressWriter } from "./progress.ts";

/*
 * Runs the cases of one target in a process of its own, so that a crash ends this process and not
 * the run, and so that its memory is that of the target. Writes a `Summary` as JSON at the end.
 */

const failuresMax = 5;
/** A case that takes longer is tried again: only one that is slow each time hangs. */
const slowMs = 1000;

type Case = { readonly label: string; readonly number: number | null; input(): FuzzInput };

const options = JSON.parse(process.argv[2] ?? "{}") as ChildOptions;
const allocations = meterAllocations();
const progress = progressWriter(options.progressFile);
const failures: Failure[] = [];
const codes: Record<string, number> = {};
let cases = 0;
let current: Case | undefined;

function caseOf(session: FuzzSession, number: number): Case {
  return {
    label: `case ${number}`,
    number,
    input: () => session.generate(caseRandom(options.seed, number)),
  };
}

/** Each case has a generator of its own, so that any of them can be repeated alone. */
function caseRandom(seed: number, number: number) {
  return seededRandom((Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) | 0);
}

function fail(one: Case, what: string): void {
  if (failures.length >= failuresMax) return;
  const folder = mkdtempSync(join(tmpdir(), `dbus-fuzz-${options.target}-`));
  const replay =
    one.number === null
      ? `bun run fuzz ${options.target} --input ${join(folder, "input")}`
      : `bun run fuzz ${options.target} --seed ${options.seed} --case ${one.number}`;
  let saved: string | undefined;
  try {
    writeFileSync(join(folder, "input"), encodeInput(one.input()));
  } catch (error) {
    saved = `the input cannot be made: ${error}`;
  }
  const report = [`${options.target} ${one.label}, seed ${options.seed}`, replay, saved, "", what];
  writeFileSync(
    join(folder, "report.txt"),
    `${report.filter((line) => line !== undefined).join("\n")}\n`,
  );
  failures.push({ case: one.number, label: one.label, what, folder, replay });
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = error.stack ?? "";
  return stack.includes(error.message) ? stack : `${error.message}\n${stack}`;
}

/** What runs without waiting must not keep timers and sockets from what they have to say. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function feed(session: FuzzSession, one: Case): Promise<void> {
  current = one;
  const input = one.input();
  allocations.reset();
  const started = performance.now();
  try {
    const answer = session.run(input);
    const code = typeof answer === "string" ? answer : await answer;
    codes[code] = (codes[code] ?? 0) + 1;
  } catch (error) {
    fail(one, textOf(error));
    codes.failed = (codes.failed ?? 0) + 1;
  }
  if (performance.now() - started > slowMs) await checkSlow(session, one);
  const largest = allocations.largest();
  const allowed = 20 * 2 ** 20 + 64 * input.bytes.length;
  if (largest > allowed) {
    fail(one, `one allocation of ${largest} bytes for an input of ${input.bytes.length}`);
  }
}

/** On a busy machine anything may take long once. */
async function checkSlow(session: FuzzSession, one: Case): Promise<void> {
  let fastest = Number.POSITIVE_INFINITY;
  for (let again = 0; again < 3 && fastest > slowMs; again++) {
    const started = performance.now();
    const cpuBefore = process.cpuUsage();
    await Promise.resolve(session.run(one.input())).catch(() => {});
    const { user, system } = process.cpuUsage(cpuBefore);
    // Its own work counts; waiting does too, but on a busy machine everybody waits a while.
    const took = Math.max((user + system) / 1000, (performance.now() - started) / 10);
    fastest = Math.min(fastest, took);
  }
  if (fastest > slowMs) fail(one, `it takes ${Math.round(fastest)} ms each time`);
}

function recorded(files: readonly string[]): { label: string; input: FuzzInput }[] {
  return files.map((file) => ({ label: file, input: decodeInput(readFileSync(file)) }));
}

async function main(): Promise<Summary> {
  const module = (await import(options.module)) as { targets: readonly FuzzTarget[] };
  const target = module.targets.find(({ name }) => name === options.target);
  if (target === undefined) throw new Error(`no target is called ${options.target}`);
  const corpus = recorded(options.corpus);
  const session = await target.open(corpus.map(({ input }) => input));
  if (options.saveTo !== null) {
    const input = session.generate(caseRandom(options.seed, options.only?.case ?? 0));
    writeFileSync(options.saveTo, encodeInput(input));
    process.exit(0);
  }
  const started = performance.now();
  const end = started + options.seconds * 1000;
  const only = options.only === null ? recorded(options.inputs) : corpus;
  if (options.only === null || options.only.case === null) {
    for (const [n, { label, input }] of only.entries()) {
      progress.at(-1 - n, ++cases);
      await feed(session, {
        label,
        number: null,
        input: () => ({ ...input, bytes: Buffer.from(input.bytes) }),
      });
    }
  }
  const memory = createMemoryWatch(target.growthMiBMax);
  const first = options.only?.case ?? 0;
  const last = options.only?.case ?? Number.POSITIVE_INFINITY;
  for (let n = first; options.only !== null && n <= last; n++) {
    if (performance.now() > end && options.only.case === null) break;
    progress.at(n, ++cases);
    await feed(session, caseOf(session, n));
    if (n % 32 === 0) await breathe();
    memory.look((performance.now() - started) / (options.seconds * 1000));
  }
  const growth = options.only !== null && options.only.case === null ? memory.verdict() : undefined;
  if (growth !== undefined && current) fail({ ...current, label: "all cases together" }, growth);
  await session.close?.();
  await breathe();
  const { target: name, seed } = options;
  const seconds = (performance.now() - started) / 1000;
  return { target: name, seed, cases, seconds, codes, failures, peakMiB: memory.peakMiB() };
}

for (const event of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(event, (error: unknown) => {
    const what = `${event}, in this case or shortly before: ${textOf(error)}`;
    if (current) fail(current, what);
    else throw error;
  });
}

const summary = await main();
writeFileSync(options.summaryFile, JSON.stringify(summary));
process.exit(0);
