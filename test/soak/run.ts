import { parseArgs } from "node:util";
import { testSeed } from "../support/random.ts";
import { phases } from "./phases.ts";
import { longPlan, shortPlan } from "./plan.ts";
import { jsonOf, tableOf } from "./report.ts";
import { runSoak } from "./soak.ts";

const usage = `bun run soak [options]

A MySQL, a Kafka behind a fault proxy, a file, and a dbusd between them, through hard times:

${phases.map(({ name, what }) => `  ${name.padEnd(13)}${what}`).join("\n")}

In each of them its memory must stay below what its configuration says, no row may be missing, and
its admin API must answer within a second.

  --minutes N    how long it takes, about; 20 unless told
  --short        the form that CI runs, about a minute
  --only A,B     only these, in the order above
  --seed S       what the fault proxy draws from
  --json         one JSON object on standard output and nothing else there
  --help         this text

It needs 25 GB of disk for a while. What it found, and what the figures mean: docs/reliability.md
`;

/** Ends the process with a usage error: exit code 2, as command lines have it. */
function refuse(why: string): never {
  process.stderr.write(`${why}\n\n${usage}`);
  process.exit(2);
}

function parse() {
  try {
    return parseArgs({
      options: {
        minutes: { type: "string", default: "20" },
        short: { type: "boolean", default: false },
        only: { type: "string" },
        seed: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

const values = parse();
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const minutes = Number(values.minutes);
if (!(minutes > 0)) refuse(`--minutes takes a number above 0, not ${values.minutes}`);
const seed = values.seed === undefined ? testSeed("soak") : Number(values.seed);
if (!Number.isSafeInteger(seed)) refuse(`--seed takes a whole number, not ${values.seed}`);
const only = values.only?.split(",");
const stranger = only?.find((name) => !phases.some((phase) => phase.name === name));
if (stranger !== undefined) refuse(`there is no phase called ${stranger}`);

const started = performance.now();
const say = (text: string) => {
  const seconds = (performance.now() - started) / 1000;
  process.stderr.write(`[soak ${seconds.toFixed(1)}s] ${text}\n`);
};
try {
  const plan = values.short ? shortPlan : longPlan(minutes);
  const results = await runSoak({ plan, seed, say, ...(only ? { only } : {}) });
  const report = { seed, plan, seconds: (performance.now() - started) / 1000, results };
  process.stdout.write(values.json ? `${jsonOf(report)}\n` : tableOf(report));
  process.exit(results.every(({ problems }) => problems.length === 0) ? 0 : 1);
} catch (error) {
  say(`it failed: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  process.exit(1);
}
