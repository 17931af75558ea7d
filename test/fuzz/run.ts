import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import type { Summary } from "./fuzz-child-options.ts";
import { runTarget } from "./run-target.ts";
import { jsonOf, tableOf } from "./summary.ts";
import { targets } from "./targets.ts";

const usage = `bun run fuzz [TARGET...] [options]

${targets.map(({ name, summary }) => `  ${name.padEnd(16)}${summary}`).join("\n")}

Feeds recorded inputs, and then inputs made from them and at random, and looks at every answer: no
crash, no hang over a second, no memory that grows, no wrong row. Without a TARGET all of them run.

  --seconds N    how long each target runs (20)
  --minutes M    the same in minutes
  --seed S       the seed of all inputs; without it a new one is taken and printed
  --case N       only this case of the seed, to look at a failure again
  --input FILE   only the input that a failure has left in its folder
  --jobs N       targets at the same time (1)
  --json         one JSON object on standard output and nothing else there
  --help         this text

It ends with 0 when nothing failed, with 1 when something did, with 2 when it was asked wrongly.
`;

const corpusFolder = join(import.meta.dir, "../fixtures/fuzz");
/** What is slow on a busy machine is not yet a hang: a slow case is timed by its own process. */
const hangMs = 30_000;

/** Ends the process with a usage error: exit code 2, as command lines have it. */
function refuse(why: string): never {
  process.stderr.write(`${why}\n\n${usage}`);
  process.exit(2);
}

function say(line: string): void {
  process.stderr.write(`[fuzz] ${line}\n`);
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        seconds: { type: "string" },
        minutes: { type: "string" },
        seed: { type: "string" },
        case: { type: "string" },
        input: { type: "string" },
        jobs: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

/** A number of the command line; `whole` ones may be 0. */
function numberOf(name: string, text: string | undefined, whole: boolean): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (whole ? Number.isSafeInteger(value) && value >= 0 : value > 0) return value;
  return refuse(`--${name} takes a ${whole ? "whole number" : "number above 0"}, not ${text}`);
}

function corpusOf(target: string): string[] {
  const folder = join(corpusFolder, target);
  try {
    return readdirSync(folder)
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parse();
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const unknown = positionals.filter((name) => !targets.some((target) => target.name === name));
  if (unknown.length > 0) refuse(`there is no target called ${unknown.join(", ")}`);
  const names = positionals.length > 0 ? positionals : targets.map(({ name }) => name);
  const single = numberOf("case", values.case, true) ?? null;
  if ((single !== null || values.input !== undefined) && names.length !== 1) {
    refuse("--case and --input take exactly one TARGET");
  }
  if (single !== null && values.seed === undefined) refuse("--case needs the --seed it is of");
  const minutes = numberOf("minutes", values.minutes, false);
  const seconds = numberOf("seconds", values.seconds, false) ?? (minutes ? minutes * 60 : 20);
  const seed = numberOf("seed", values.seed, true) ?? Math.floor(Math.random() * 2 ** 31);
  const jobs = Math.max(1, numberOf("jobs", values.jobs, true) ?? 1);
  say(`--seed ${seed} repeats this run`);

  const waiting = [...names];
  const summaries: Summary[] = [];
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      summaries.push(await fuzz(name, { seed, seconds, single, input: values.input }));
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  summaries.sort((a, b) => names.indexOf(a.target) - names.indexOf(b.target));
  process.stdout.write(`${values.json ? jsonOf(summaries) : tableOf(summaries)}\n`);
  return summaries.some(({ failures }) => failures.length > 0) ? 1 : 0;
}

type Asked = {
  readonly seed: number;
  readonly seconds: number;
  readonly single: number | null;
  readonly input: string | undefined;
};

async function fuzz(target: string, { seed, seconds, single, input }: Asked): Promise<Summary> {
  let said = performance.now();
  const started = said;
  const summary = await runTarget({
    ...{ target, seed, seconds, hangMs, module: join(import.meta.dir, "targets.ts") },
    corpus: corpusOf(target),
    inputs: input === undefined ? [] : [resolve(input)],
    only: input === undefined ? { case: single } : null,
    onProgress(cases) {
      const now = performance.now();
      if (now - said < 5_000) return;
      said = now;
      say(`${target}: ${cases} cases in ${Math.round((now - started) / 1000)} of ${seconds} s`);
    },
  });
  say(`${target}: ${summary.cases} cases, ${summary.failures.length} failed`);
  for (const { label, what, folder, replay } of summary.failures) {
    say(`${target} ${label} FAILED: ${what}`);
    say(`  its input and this report: ${folder}`);
    say(`  once more: ${replay}`);
  }
  return summary;
}

process.exit(await main());
