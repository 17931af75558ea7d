import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { drawPlan } from "./draw-plan.ts";
import { drawKafkaPlan } from "./kafka/draw.ts";
import { faultText } from "./round-plan.ts";
import {
  type AnyPlan,
  anyPlanText,
  type PlayedRound,
  playRound,
  randomSeed,
  roundText,
  sumOf,
  sumText,
} from "./rounds.ts";
import { chaosServers } from "./servers.ts";

const usage = `bun run chaos [options]

Rounds of faults: each draws from its seed a configuration, a workload in MySQL, MariaDB or Kafka,
and faults of processes, servers, networks and disks at random moments. In the end everything must
have arrived, in order for each key, and dbusd must say so and stop cleanly.

  --rounds N       so many rounds (10, without --minutes)
  --minutes M      rounds for so long
  --from WHERE     mysql (the default) or kafka
  --to WHERE       any: Kafka and files, as drawn (the default from mysql); kafka: a copy of the
                   topics (only from kafka, and its default); elasticsearch: documents, which in the
                   end must be the tables row by row, or the newest records of the topics
  --seed S         the round of that seed, as many times as --rounds says (1)
  --dbusd FILE     another build: a source file that ends in .ts, or an executable
  --stop           end with the first round that fails
  --plan           say what the rounds would do, and do nothing
  --keep           keep the folders of all rounds, not only of failed ones
  --json           one JSON object a round on standard output, and one for the sum
  --help           this text

The exit code is 1 when a round has failed. What the verdict means: docs/reliability.md
`;

/** Ends the process with a usage error: exit code 2, as command lines have it. */
function refuse(why: string): never {
  process.stderr.write(`${why}\n\n${usage}`);
  process.exit(2);
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        rounds: { type: "string" },
        minutes: { type: "string" },
        from: { type: "string", default: "mysql" },
        to: { type: "string" },
        seed: { type: "string" },
        dbusd: { type: "string" },
        stop: { type: "boolean", default: false },
        plan: { type: "boolean", default: false },
        keep: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
}

function numberOf(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (!(value > 0)) refuse(`--${name} takes a number above 0, not ${text}`);
  return value;
}

const values = parse(process.argv.slice(2));
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}

const say = (line: string) => void process.stderr.write(`${line}\n`);
const minutes = values.minutes === undefined ? undefined : numberOf("minutes", values.minutes, 0);
const usual = minutes !== undefined ? Number.POSITIVE_INFINITY : values.seed === undefined ? 10 : 1;
const rounds = Math.floor(numberOf("rounds", values.rounds, usual));
const given = values.seed === undefined ? undefined : Number(values.seed);
if (given !== undefined && !Number.isSafeInteger(given)) refuse(`${values.seed} is no seed`);
const draw = drawing(values.from, values.to);
const entry = values.dbusd === undefined ? undefined : resolve(values.dbusd);
if (entry !== undefined && !existsSync(entry)) refuse(`there is no ${entry}`);
const deadline = performance.now() + (minutes ?? Number.POSITIVE_INFINITY) * 60_000;

/** What draws the rounds from there to there. */
function drawing(from: string, to: string | undefined): (seed: number) => AnyPlan {
  if (from === "mysql") {
    const where = to ?? "any";
    if (where === "any" || where === "elasticsearch") return (seed) => drawPlan(seed, where);
    return refuse(`--to takes any or elasticsearch with --from mysql, not ${to}`);
  }
  if (from !== "kafka") return refuse(`--from takes mysql or kafka, not ${from}`);
  const where = to ?? "kafka";
  if (where === "kafka" || where === "elasticsearch") return (seed) => drawKafkaPlan(seed, where);
  return refuse(`--to takes kafka or elasticsearch with --from kafka, not ${to}`);
}

async function main(): Promise<number> {
  const servers = chaosServers();
  const played: PlayedRound[] = [];
  // What a signal interrupts has no verdict; the servers end with this process.
  const leave = () => {
    if (played.length > 0) say(sumText(sumOf(played)));
    process.exit(130);
  };
  process.on("SIGINT", leave);
  process.on("SIGTERM", leave);
  try {
    for (let round = 1; round <= rounds && performance.now() < deadline; round++) {
      const plan = draw(given ?? randomSeed());
      const of = Number.isFinite(rounds) ? ` of ${rounds}` : "";
      say(`round ${round}${of}, seed ${plan.seed}: ${anyPlanText(plan)}`);
      say(`     ${plan.faults.map(faultText).join(", ")}`);
      if (values.plan) continue;
      const one = await playRound(plan, { servers, entry, keep: values.keep });
      played.push(one);
      say(roundText(one));
      if (values.json) process.stdout.write(`${JSON.stringify(one)}\n`);
      if (values.stop && one.problems.length > 0) break;
    }
  } finally {
    await servers.stop();
  }
  const sum = sumOf(played);
  if (values.json) process.stdout.write(`${JSON.stringify(sum)}\n`);
  if (!values.plan) say(sumText(sum));
  return sum.failedSeeds.length > 0 ? 1 : 0;
}

process.exit(await main());
