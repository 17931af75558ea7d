import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { MysqlService } from "../services/index.ts";
import type { FaultProxy } from "../support/fault-proxy.ts";
import { faultProxy } from "../support/fault-proxy.ts";
import type { Change } from "../support/ledger.ts";
import { checkLedger, reportText } from "../support/ledger-checker.ts";
import { committedChanges } from "../support/ledger-writer.ts";
import { waitFor } from "../support/wait-for.ts";
import { configOf, isExpectedAt, ownFilter, topicsOf } from "./config.ts";
import { type DaemonKeeper, daemonKeeper } from "./daemon-keeper.ts";
import type { RepeatsOptions } from "./duplicates.ts";
import { scheduleFaults } from "./faults.ts";
import { type Journal, openJournal } from "./journal.ts";
import {
  checkLog,
  checkTruth,
  commitMsMax,
  deleteIndices,
  deleteTopics,
  mountDisk,
  recoveryMsMax,
  startAgain,
  stateMsMax,
  stopSlackMs,
} from "./round-parts.ts";
import { faultText, planText, type RoundPlan } from "./round-plan.ts";
import type { Servers } from "./servers.ts";
import { esSink, fileSink, kafkaSink, type Sink, type StateSink } from "./sinks.ts";
import { openSource, type Source } from "./source.ts";
import type { Stage } from "./stage.ts";
import { checkStates, stateVerdicts } from "./states.ts";
import { type Verdict, verdictOf } from "./verdict.ts";
import { startWorkload } from "./workload.ts";

export type RoundOptions = {
  readonly servers: Servers;
  /** An empty folder for config, logs and outputs. */
  readonly dir: string;
  /** Another build of dbusd, e.g. its compiled binary. */
  readonly entry?: string | undefined;
};

export type RoundResult = {
  readonly seed: number;
  /** What of the command line chooses such rounds, e.g. ` --to elasticsearch`. */
  readonly options: string;
  readonly plan: string;
  readonly faults: readonly string[];
  readonly verdicts: readonly Verdict[];
  /** Starts of dbusd. */
  readonly runs: number;
  /** From the end of the faults until everything had arrived. */
  readonly recoveryMs: number;
  readonly ms: number;
  /** What is wrong; empty when nothing is. */
  readonly problems: readonly string[];
};

type Round = {
  readonly plan: RoundPlan;
  readonly stage: Stage;
  readonly daemon: DaemonKeeper;
  readonly mysql: MysqlService;
  readonly source: Source;
  readonly sinks: readonly Sink[];
  readonly states: readonly StateSink[];
  readonly dir: string;
};

/** Runs a round. Rejects only when the rig itself fails; what dbus does wrong is in the result. */
export async function runRound(plan: RoundPlan, options: RoundOptions): Promise<RoundResult> {
  const began = performance.now();
  const journal = openJournal(options.dir);
  await Bun.write(join(options.dir, "plan.json"), JSON.stringify(plan, null, 2));
  journal.note(planText(plan));
  const undo: (() => Promise<void> | void)[] = [];
  try {
    const round = await openRound(plan, options, journal, undo);
    const { verdicts, recoveryMs } = await play(round);
    checkLog(round.dir, journal, round.source.password);
    return {
      ...{ seed: plan.seed, options: optionsOf(plan), plan: planText(plan) },
      faults: plan.faults.map(faultText),
      ...{ verdicts, recoveryMs, runs: round.daemon.runs.length },
      ...{ ms: performance.now() - began, problems: journal.problems },
    };
  } finally {
    for (const one of undo.reverse()) {
      await Promise.resolve(one()).catch((error: unknown) => journal.note(`left: ${error}`));
    }
  }
}

export function optionsOf({ outputs }: RoundPlan): string {
  return outputs.some(({ name }) => name === "elasticsearch") ? " --to elasticsearch" : "";
}

/** Everything that a round needs; `undo` gets what takes it away again, in order. */
async function openRound(
  plan: RoundPlan,
  { servers, dir, entry }: RoundOptions,
  journal: Journal,
  undo: (() => Promise<void> | void)[],
): Promise<Round> {
  const { seed } = plan;
  const name = `chaos_${seed}_${Date.now().toString(36)}`;
  const has = (sink: string) => plan.outputs.some((output) => output.name === sink);
  const [mysql, kafka, elasticsearch] = await Promise.all([
    servers.mysql(plan.source.flavor),
    has("kafka") ? servers.kafka() : undefined,
    has("elasticsearch") ? servers.elasticsearch() : undefined,
  ]);
  const source = await openSource(mysql, plan.source, name);
  undo.push(() => source.drop());
  const mysqlProxy = await faultProxy(mysql, { seed, protocol: "mysql" });
  undo.push(() => mysqlProxy.close());
  let kafkaProxy: FaultProxy | undefined;
  if (kafka !== undefined) {
    const [broker] = kafka.brokers;
    kafkaProxy = await faultProxy({ port: broker!.port }, { seed: seed + 1, protocol: "kafka" });
    const proxy = kafkaProxy;
    undo.push(() => proxy.close());
    undo.push(() => deleteTopics(kafka.bootstrap, topicsOf(plan, name)));
  }
  let esProxy: FaultProxy | undefined;
  if (elasticsearch !== undefined) {
    esProxy = await faultProxy({ port: elasticsearch.port }, { seed: seed + 2 });
    const proxy = esProxy;
    undo.push(() => proxy.close());
    const indices = [`${name}.item`, `${name}.txn`, `${name}-lineages`];
    undo.push(() => deleteIndices(elasticsearch.url, indices));
  }
  const disk = plan.smallDisk ? mountDisk(journal) : undefined;
  if (disk !== undefined) undo.push(disk.unmount);
  const canTrace = Bun.which("strace") !== null;
  if (plan.failingSync !== undefined && !canTrace) journal.note("no strace: no sync fails");
  const stateDir = disk === undefined ? join(dir, "state") : join(disk.dir, "state");
  const ports = { kafkaPort: kafkaProxy?.port, esPort: esProxy?.port };
  const places = { source, mysqlPort: mysqlProxy.port, ...ports, topic: name };
  mkdirSync(dir, { recursive: true });
  copyFileSync(join(import.meta.dir, ownFilter), join(dir, ownFilter));
  const daemon = daemonKeeper({
    ...{ config: configOf(plan, { ...places, dir, stateDir }), dir, journal, entry },
    failingSync: canTrace ? plan.failingSync : undefined,
    stopMsMax: plan.bus.stopDeadlineMs + stopSlackMs,
    mayRefuse: () => disk?.full === true,
  });
  undo.push(() => daemon.kill());
  const sinks = plan.outputs.flatMap((output) => {
    if (output.name === "elasticsearch") return [];
    return output.name === "kafka"
      ? [kafkaSink(kafka!.bootstrap, topicsOf(plan, name))]
      : [fileSink(join(dir, "out", "rows.ndjson"))];
  });
  const states =
    elasticsearch === undefined ? [] : [esSink(elasticsearch.url, name, mysql, source.db)];
  const proxies = { mysql: mysqlProxy, kafka: kafkaProxy, elasticsearch: esProxy };
  const killable = { mysql, kafka: kafka?.brokers[0], elasticsearch };
  const stage: Stage = { daemons: [daemon], mysql, servers: killable, proxies, disk, journal };
  return { plan, stage, daemon, mysql, source, sinks, states, dir };
}

async function play(round: Round): Promise<{ verdicts: Verdict[]; recoveryMs: number }> {
  const { plan, stage, source, daemon, mysql } = round;
  const { journal } = stage;
  const workload = startWorkload(mysql, source.db, {
    ...{ plan: plan.workload, seed: plan.seed, journal },
  });
  await Bun.sleep(plan.workload.backlogMs);
  await daemon.start();
  // On a busy machine a start may take longer than all the faults.
  await daemon.process?.ready().catch((error: unknown) => journal.note(`not ready: ${error}`));
  workload.loadBegins();
  const faults = scheduleFaults(stage, plan.faults);
  await Bun.sleep(plan.loadMs);
  await faults.cease();
  const ceasedAt = performance.now();
  journal.note("all faults have ceased");
  await workload.stop();
  const committed = await committedChanges(mysql, source.db);
  journal.note(`${committed.length} changes were committed`);
  await arrival(round, committed);
  await checkStates(round, isExpectedAt(plan, plan.outputs[0]!), stateMsMax);
  const recoveryMs = performance.now() - ceasedAt;
  journal.note(`arrival took ${Math.round(recoveryMs)} ms`);
  await checkTruth(daemon, journal);
  await daemon.stop(() => true);
  if (plan.startAgain) await startAgain(daemon, journal);
  const verdicts = await verdictsOf(round, committed);
  verdicts.push(...(await stateVerdicts(round, isExpectedAt(plan, plan.outputs[0]!), committed)));
  return { verdicts, recoveryMs };
}

function expectedAt(round: Round, committed: readonly Change[], index: number): Change[] {
  const isExpected = isExpectedAt(round.plan, round.plan.outputs[index]!);
  return committed.filter(({ key }) => isExpected(key));
}

/** Until every output has every change, or its time is up. */
async function arrival(round: Round, committed: readonly Change[]): Promise<void> {
  const { sinks, stage } = round;
  const deadline = performance.now() + recoveryMsMax;
  for (const [index, sink] of sinks.entries()) {
    const expected = expectedAt(round, committed, index);
    let [sizeSeen, sizeRead] = [-1, -1];
    let told = "too little has come to be read";
    const complete = async () => {
      if (stage.journal.problems.some((problem) => problem.includes("ended by itself"))) {
        return true;
      }
      const size = await sink.size();
      const grows = size !== sizeSeen;
      sizeSeen = size;
      // To read it all costs more than dbus needs to write it: not before it may be enough.
      if (grows || size === sizeRead || size < sink.sizeMin(expected.length)) return false;
      const report = checkLedger(expected, (await sink.read()).sightings);
      sizeRead = size;
      told = reportText(report);
      return report.lost.count === 0;
    };
    const timeoutMs = Math.max(1, deadline - performance.now());
    const what = `every change in ${sink.name}`;
    await waitFor(complete, { what, timeoutMs, intervalMs: 300 }).catch((error: unknown) => {
      stage.journal.problem(`${sink.name} is not complete after ${recoveryMsMax} ms: ${told}`);
      stage.journal.note(`${error}`);
    });
  }
}

async function verdictsOf(round: Round, committed: readonly Change[]): Promise<Verdict[]> {
  const { plan, stage, sinks } = round;
  const { runs, stalls } = round.daemon;
  const options: RepeatsOptions = {
    ...{ runs, stalls },
    // A row that moves to another key is two records.
    windowRecords: 2 * plan.bus.window.packets,
    checkpointMs: plan.bus.checkpointIntervalMs + commitMsMax,
  };
  const verdicts: Verdict[] = [];
  for (const [index, sink] of sinks.entries()) {
    const expected = expectedAt(round, committed, index);
    const verdict = verdictOf(sink.name, expected, await sink.read(), options);
    for (const problem of verdict.problems) stage.journal.problem(problem);
    verdicts.push(verdict);
  }
  return verdicts;
}
