import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KafkaRoundPlan } from "./kafka/plan.ts";
import { kafkaPlanText } from "./kafka/plan.ts";
import { kafkaOptionsOf, runKafkaRound } from "./kafka/round.ts";
import { optionsOf, type RoundResult, runRound } from "./round.ts";
import { faultText, planText, type RoundPlan } from "./round-plan.ts";
import type { Servers } from "./servers.ts";

/** A round that was run, and the folder that tells of it if it was kept. */
export type PlayedRound = RoundResult & { readonly dir: string | undefined };

export type PlayOptions = {
  readonly servers: Servers;
  readonly entry?: string | undefined;
  /** Keep the folder although nothing was wrong. */
  readonly keep?: boolean;
};

export type AnyPlan = RoundPlan | KafkaRoundPlan;

/** A plan as people read it, without its faults. */
export function anyPlanText(plan: AnyPlan): string {
  return "kind" in plan ? kafkaPlanText(plan) : planText(plan);
}

export function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}

/** Runs a round in a folder of its own, which stays when something was wrong. */
export async function playRound(plan: AnyPlan, options: PlayOptions): Promise<PlayedRound> {
  const dir = mkdtempSync(join(tmpdir(), `dbus-chaos-${plan.seed}-`));
  const began = performance.now();
  const remove = () => rmSync(dir, { recursive: true, force: true });
  // What a signal ends before it is judged tells nothing.
  process.once("exit", remove);
  const played =
    "kind" in plan ? runKafkaRound(plan, { ...options, dir }) : runRound(plan, { ...options, dir });
  const result = await played.catch(async (error: unknown) => {
    // Whatever state the servers are in, the next round gets new ones.
    await options.servers.stop();
    const why = `the rig failed: ${error instanceof Error ? error.stack : error}`;
    return unjudged(plan, performance.now() - began, why);
  });
  process.off("exit", remove);
  if (result.problems.length > 0 || options.keep === true) return { ...result, dir };
  remove();
  return { ...result, dir: undefined };
}

function unjudged(plan: AnyPlan, ms: number, problem: string): RoundResult {
  const options = "kind" in plan ? kafkaOptionsOf(plan) : optionsOf(plan);
  const texts = { options, plan: anyPlanText(plan), faults: plan.faults.map(faultText) };
  const counts = { runs: 0, recoveryMs: 0, ms };
  return { seed: plan.seed, ...texts, ...counts, verdicts: [], problems: [problem] };
}

const digits = (count: number) => count.toLocaleString("en");
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

/** The result of a round in a line, or more when something is wrong. */
export function roundText(round: PlayedRound): string {
  const { seed, verdicts, problems, runs, recoveryMs, ms, dir } = round;
  const outputs = verdicts.map(({ output, committed, duplicated, runs: each }) => {
    const most = each.reduce((sum, run) => sum + run.most, 0);
    if (output === "elasticsearch")
      return `${output} as the source is after ${digits(committed)} changes`;
    return `${output} ${digits(committed)} changes, ${duplicated} twice (at most ${digits(most)})`;
  });
  const head = problems.length === 0 ? "ok  " : "FAIL";
  const what = [...outputs, `${runs} starts`, `whole after ${seconds(recoveryMs)}`].join(", ");
  const lines = [`${head} ${seconds(ms)}: ${what}`];
  for (const problem of problems) lines.push(`     ${problem}`);
  const { options } = round;
  if (problems.length > 0) lines.push(`     repeat it: bun run chaos${options} --seed ${seed}`);
  if (dir !== undefined) lines.push(`     config, logs and output: ${dir}`);
  return lines.join("\n");
}

export type RoundsSum = {
  readonly rounds: number;
  readonly failedSeeds: readonly number[];
  /** Each as an argument list that repeats it. */
  readonly failed: readonly string[];
  readonly seeds: readonly number[];
  /** Over all outputs. */
  readonly committed: number;
  readonly lost: number;
  readonly corrupted: number;
  readonly reordered: number;
  readonly duplicated: number;
  readonly faults: number;
  readonly runs: number;
  readonly ms: number;
  readonly recoveryMsMax: number;
};

export function sumOf(rounds: readonly PlayedRound[]): RoundsSum {
  const verdicts = rounds.flatMap((round) => round.verdicts);
  const total = <T>(items: readonly T[], of: (item: T) => number) =>
    items.reduce((sum, item) => sum + of(item), 0);
  return {
    rounds: rounds.length,
    failedSeeds: rounds.filter(({ problems }) => problems.length > 0).map(({ seed }) => seed),
    failed: rounds
      .filter(({ problems }) => problems.length > 0)
      .map(({ options, seed }) => `${options} --seed ${seed}`),
    seeds: rounds.map(({ seed }) => seed),
    committed: total(verdicts, (verdict) => verdict.committed),
    lost: total(verdicts, (verdict) => verdict.lost),
    corrupted: total(verdicts, (verdict) => verdict.corrupted),
    reordered: total(verdicts, (verdict) => verdict.reordered),
    duplicated: total(verdicts, (verdict) => verdict.duplicated),
    faults: total(rounds, (round) => round.faults.length),
    runs: total(rounds, (round) => round.runs),
    ms: total(rounds, (round) => round.ms),
    recoveryMsMax: Math.max(0, ...rounds.map(({ recoveryMs }) => recoveryMs)),
  };
}

export function sumText(sum: RoundsSum): string {
  const { rounds, failedSeeds, faults, committed, lost, corrupted, reordered, duplicated } = sum;
  const lines = [
    `${rounds} rounds, ${rounds - failedSeeds.length} ok, ${failedSeeds.length} failed, ` +
      `${faults} faults, ${sum.runs} starts of dbusd, in ${seconds(sum.ms)}`,
    `${digits(committed)} changes: ${lost} lost, ${corrupted} corrupted, ${reordered} reordered, ` +
      `${digits(duplicated)} twice; whole again after ${seconds(sum.recoveryMsMax)} at most`,
  ];
  for (const one of sum.failed) lines.push(`failed: bun run chaos${one}`);
  return lines.join("\n");
}
