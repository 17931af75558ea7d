import { type Phase, phases } from "./phases.ts";
import type { SoakPlan } from "./plan.ts";
import { openRig, type Rig } from "./rig.ts";
import { drift } from "./watch.ts";

export type PhaseResult = {
  readonly phase: string;
  readonly rows: number;
  /** From its beginning until the last row had arrived. */
  readonly seconds: number;
  readonly peakMib: number;
  readonly boundMib: number;
  /** How far memory moved while it had to stand still; null where it need not. */
  readonly driftMib: number | null;
  readonly slowestAnswerMs: number;
  readonly slowestPath: string;
  readonly lost: number;
  readonly doubled: number;
  /** What is wrong, each a sentence; empty when all is well. */
  readonly problems: readonly string[];
};

export type SoakOptions = {
  readonly plan: SoakPlan;
  readonly seed: number;
  readonly only?: readonly string[];
  readonly say: (text: string) => void;
};

export const answerMsMax = 1_000;
/** Garbage comes and goes: what moves less than this, or a tenth, has not grown. */
const driftMibMax = 32;
/** So long without one more row, and they are not coming. */
const stuckMs = 120_000;

/** Runs the phases one after the other on one daemon. */
export async function runSoak(options: SoakOptions): Promise<readonly PhaseResult[]> {
  const { plan, seed, say, only } = options;
  say("starting MySQL, Kafka and the daemon");
  const rig = await openRig(plan, seed);
  const results: PhaseResult[] = [];
  try {
    await rig.start();
    for (const phase of phases) {
      if (only !== undefined && !only.includes(phase.name)) continue;
      say(`${phase.name}: ${phase.what}`);
      results.push(await runPhase(phase, rig, options));
    }
    return results;
  } finally {
    await rig.close();
  }
}

async function runPhase(phase: Phase, rig: Rig, { say }: SoakOptions): Promise<PhaseResult> {
  const started = performance.now();
  rig.watch.begin();
  await phase.run(rig, say);
  const hard = await rig.watch.report();
  const problems: string[] = [];
  await arrived(phase, rig, say).catch((error) => problems.push(String(error)));
  const seconds = (performance.now() - started) / 1000;
  const seen = await rig.watch.report();
  const { rows, lost, doubled } = await verdict(phase, rig);
  const driftMib = phase.flat ? drift(hard.samples) : null;
  const peakMib = seen.peakKib / 1024;
  const { bytes, largeBytes } = rig.bound;
  const boundMib = (phase.large ? bytes : bytes - largeBytes) / 2 ** 20;
  if (peakMib > boundMib) problems.push(`memory reached ${peakMib.toFixed(0)} MiB`);
  if (lost > 0) problems.push(`${lost} rows are missing`);
  if (driftMib !== null && driftMib > Math.max(driftMibMax, peakMib / 10)) {
    problems.push(`memory grew by ${driftMib.toFixed(0)} MiB`);
  }
  if (seen.slowestMs > answerMsMax) {
    problems.push(`${seen.slowestPath} took ${seen.slowestMs.toFixed(0)} ms`);
  }
  problems.push(...seen.failures);
  if ((await rig.log()).includes("MYSQL_SILENT")) problems.push("heartbeats of MySQL were missed");
  for (const problem of problems) say(`${phase.name}: ${problem}`);
  const { slowestMs: slowestAnswerMs, slowestPath } = seen;
  const memory = { peakMib, boundMib, driftMib };
  return {
    ...{ phase: phase.name, rows, seconds, ...memory },
    ...{ slowestAnswerMs, slowestPath, lost, doubled, problems },
  };
}

/** Waits until both sinks have as many rows as there are; what they are is looked at later. */
async function arrived(phase: Phase, rig: Rig, say: (text: string) => void): Promise<void> {
  let before = -1;
  let movedAt = performance.now();
  let saidAt = performance.now();
  for (;;) {
    await rig.sinks.readFile();
    let have = 0;
    let want = 0;
    for (const [table, dml, rows] of phase.expect(rig)) {
      want += rows * 2;
      const others = dml === "D" ? rig.source.count(table) : 0;
      have += Math.min(rows, rig.sinks.file.of(table, dml).distinct);
      have += Math.min(rows, Math.max(0, (await rig.sinks.records(table)) - others));
    }
    if (have >= want) return;
    const now = performance.now();
    if (have > before) [before, movedAt] = [have, now];
    if (now - movedAt > stuckMs) throw new Error(`nothing came any more after ${have} of ${want}`);
    if (!rig.daemon().running) throw new Error(`the daemon has ended: ${await rig.log()}`);
    if (now - saidAt > 10_000) {
      saidAt = now;
      say(`${phase.name}: ${have} of ${want} rows are in the file and in Kafka`);
    }
    await Bun.sleep(200);
  }
}

/** Reads the topics whole, and tells what each sink lacks and has twice. */
async function verdict(phase: Phase, rig: Rig) {
  let [rows, lost, doubled] = [0, 0, 0];
  const tables = new Set(phase.expect(rig).map(([table]) => table));
  for (const table of tables) await rig.sinks.readTopic(table);
  for (const [table, dml, expected] of phase.expect(rig)) {
    rows += expected;
    for (const tallies of [rig.sinks.file, rig.sinks.kafka]) {
      const tally = tallies.of(table, dml);
      lost += Math.max(0, expected - tally.distinct);
      doubled += tally.doubled;
    }
  }
  return { rows, lost, doubled };
}
