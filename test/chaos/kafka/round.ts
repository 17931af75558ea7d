import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { writesTo } from "../../support/es-ledger.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { type Sampler, startSampler } from "../../support/kafka-sampler.ts";
import { waitFor } from "../../support/wait-for.ts";
import { type DaemonKeeper, daemonKeeper } from "../daemon-keeper.ts";
import { scheduleFaults } from "../faults.ts";
import { type Journal, openJournal } from "../journal.ts";
import type { RoundOptions, RoundResult } from "../round.ts";
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
} from "../round-parts.ts";
import { faultText } from "../round-plan.ts";
import type { Stage } from "../stage.ts";
import { onceAtRest } from "../states.ts";
import type { Verdict } from "../verdict.ts";
import { folderOf, kafkaConfigOf, sinkNameOf } from "./config.ts";
import { type CopyOptions, copyVerdict } from "./copy-verdict.ts";
import { expectedOf, type Fates, tablesOf } from "./expected.ts";
import { type KafkaRoundPlan, kafkaPlanText } from "./plan.ts";
import { recordsIn, recordsOf, type SeenRecord } from "./records.ts";
import { type KafkaSource, openKafkaSource } from "./source.ts";
import { tableDifference } from "./table.ts";
import { startKafkaWorkload } from "./workload.ts";

type Undo = (() => Promise<void> | void)[];

type Round = {
  readonly plan: KafkaRoundPlan;
  readonly stage: Stage;
  readonly source: KafkaSource;
  readonly sink: Sink;
  readonly name: string;
};

/** The copy in a Kafka, or the documents of an Elasticsearch. */
type Sink = {
  readonly at: string;
  readonly sampler: Sampler | undefined;
  /** Grows with all that is written; cheap to ask for. */
  size(): Promise<number>;
};

/** As `runRound`, of a round whose source is Kafka. */
export async function runKafkaRound(
  plan: KafkaRoundPlan,
  options: RoundOptions,
): Promise<RoundResult> {
  const began = performance.now();
  const journal = openJournal(options.dir);
  await Bun.write(join(options.dir, "plan.json"), JSON.stringify(plan, null, 2));
  journal.note(kafkaPlanText(plan));
  const undo: Undo = [];
  const told = { seed: plan.seed, options: kafkaOptionsOf(plan), plan: kafkaPlanText(plan) };
  try {
    const round = await openRound(plan, options, journal, undo);
    const { verdicts, recoveryMs } = await play(round);
    const { daemons } = round.stage;
    for (const [which] of daemons.entries()) checkLog(folderOf(options.dir, which), journal);
    return {
      ...{ ...told, faults: plan.faults.map(faultText), verdicts, recoveryMs },
      runs: daemons.reduce((sum, { runs }) => sum + runs.length, 0),
      ...{ ms: performance.now() - began, problems: journal.problems },
    };
  } finally {
    for (const one of undo.reverse()) {
      await Promise.resolve(one()).catch((error: unknown) => journal.note(`left: ${error}`));
    }
  }
}

export function kafkaOptionsOf({ output }: KafkaRoundPlan): string {
  return ` --from kafka --to ${output.name}`;
}

async function openRound(
  plan: KafkaRoundPlan,
  { servers, dir, entry }: RoundOptions,
  journal: Journal,
  undo: Undo,
): Promise<Round> {
  const { seed, input } = plan;
  const name = `chaos_${seed}_${Date.now().toString(36)}`;
  const toKafka = plan.output.name === "kafka";
  const [read, kafka, elasticsearch] = await Promise.all([
    servers.sourceKafka(),
    toKafka ? servers.kafka() : undefined,
    toKafka ? undefined : servers.elasticsearch(),
  ]);
  const source = await openKafkaSource(read.bootstrap, name, plan);
  undo.push(() => deleteTopics(read.bootstrap, source.topics()));
  const sinks = [...new Set(source.planned.map((topic) => sinkNameOf(plan, { name, topic })))];
  const sinkServer = kafka?.brokers[0] ?? elasticsearch;
  if (sinkServer === undefined) throw new Error("this round has no sink");
  const protocol = "kafka" as const;
  const sourceProxy = await faultProxy({ port: read.brokers[0]!.port }, { seed, protocol });
  undo.push(() => sourceProxy.close());
  const spoken = toKafka ? { protocol } : {};
  const sinkProxy = await faultProxy({ port: sinkServer.port }, { seed: seed + 1, ...spoken });
  undo.push(() => sinkProxy.close());
  let sampler: Sampler | undefined;
  if (kafka !== undefined) {
    sampler = startSampler(kafka.bootstrap, sinks, journal.note);
    undo.push(() => deleteTopics(kafka.bootstrap, sinks));
    const one = sampler;
    undo.push(() => one.stop());
  }
  if (elasticsearch !== undefined) {
    const indices = [...sinks, `${name}-lineages`];
    undo.push(() => deleteIndices(elasticsearch.url, indices));
  }
  const disk = plan.smallDisk ? mountDisk(journal) : undefined;
  if (disk !== undefined) undo.push(disk.unmount);
  const canTrace = Bun.which("strace") !== null;
  if (plan.failingSync !== undefined && !canTrace) journal.note("no strace: no sync fails");
  const daemons = Array.from({ length: Math.max(1, input.members) }, (_, which) => {
    const folder = folderOf(dir, which);
    mkdirSync(folder, { recursive: true });
    const stateDir = which === 0 && disk ? join(disk.dir, "state") : join(folder, "state");
    const ports = { sourcePort: sourceProxy.port, sinkPort: sinkProxy.port };
    const places = { ...ports, name, topics: source.planned, stateDir, start: source.start };
    const daemon = daemonKeeper({
      ...{ config: kafkaConfigOf(plan, places), dir: folder, journal, entry },
      failingSync: canTrace && which === 0 ? plan.failingSync : undefined,
      stopMsMax: plan.bus.stopDeadlineMs + stopSlackMs,
      mayRefuse: () => which === 0 && disk?.full === true,
    });
    undo.push(() => daemon.kill());
    return daemon;
  });
  const stage: Stage = {
    ...{ daemons, mysql: undefined, disk, journal },
    servers: { source: read.brokers[0], [plan.output.name]: sinkServer },
    proxies: { source: sourceProxy, [plan.output.name]: sinkProxy },
  };
  const at = kafka?.bootstrap ?? elasticsearch?.url ?? "";
  const size = () => (toKafka ? recordsIn(at, sinks) : writesTo(at, sinks));
  return { plan, stage, source, sink: { at, sampler, size }, name };
}

async function play(round: Round): Promise<{ verdicts: Verdict[]; recoveryMs: number }> {
  const { plan, stage, source } = round;
  const { daemons, journal } = stage;
  const workload = startKafkaWorkload({
    ...{ bootstrap: source.bootstrap, topics: source.topics },
    ...{ plan: plan.workload, seed: plan.seed, journal },
  });
  await Bun.sleep(plan.workload.backlogMs);
  await Promise.all(daemons.map((daemon) => daemon.start()));
  const ready = (daemon: DaemonKeeper) =>
    daemon.process?.ready().catch((error: unknown) => journal.note(`not ready: ${error}`));
  // On a busy machine a start may take longer than all the faults.
  await Promise.all(daemons.map(ready));
  workload.loadBegins();
  const faults = scheduleFaults(stage, plan.faults);
  await Bun.sleep(plan.loadMs / 2);
  if (plan.input.lateTopic) await source.makeLateTopic();
  await Bun.sleep(plan.loadMs / 2);
  await faults.cease();
  const ceasedAt = performance.now();
  journal.note("all faults have ceased");
  await workload.stop();
  await source.end();
  const { fates } = workload;
  journal.note(`${fates.aborted.size} records were aborted, ${fates.unsure.size} may have been`);
  const records = await recordsOf(source.bootstrap, source.topics());
  journal.note(`the source holds ${records.length} records`);
  await arrival(round, records, fates);
  const recoveryMs = performance.now() - ceasedAt;
  journal.note(`arrival took ${Math.round(recoveryMs)} ms`);
  const mayBeIdle = plan.input.members > 1;
  for (const daemon of daemons) await checkTruth(daemon, journal, { mayBeIdle });
  await Promise.all(daemons.map((daemon) => daemon.stop(() => true)));
  if (plan.startAgain) for (const daemon of daemons) await startAgain(daemon, journal);
  // What was under way at the source when it was read first has come too, if it came to anything.
  const last = await recordsOf(source.bootstrap, source.topics());
  if (last.length !== records.length) journal.problem("the source has grown after its end");
  const verdict = await verdictOf(round, last, fates);
  for (const problem of verdict.problems) journal.problem(problem);
  return { verdicts: [verdict], recoveryMs };
}

/** Until the sink has everything, or its time is up. */
async function arrival(round: Round, records: readonly SeenRecord[], fates: Fates): Promise<void> {
  const { stage, plan } = round;
  const timeoutMs = plan.output.name === "kafka" ? recoveryMsMax : stateMsMax;
  let told = "something is still being written";
  const atRest = onceAtRest(round.sink, async () => {
    const { lost, problems } = await verdictOf(round, records, fates);
    told = problems.join("; ");
    return lost === 0;
  });
  const complete = async () =>
    stage.journal.problems.some((problem) => problem.includes("ended by itself")) || atRest();
  const what = `everything in ${plan.output.name}`;
  await waitFor(complete, { what, timeoutMs, intervalMs: 500 }).catch((error: unknown) => {
    stage.journal.problem(`${plan.output.name} is not complete after ${timeoutMs} ms: ${told}`);
    stage.journal.note(`${error}`);
  });
}

async function verdictOf(
  round: Round,
  records: readonly SeenRecord[],
  fates: Fates,
): Promise<Verdict> {
  const { plan, sink, name, source } = round;
  const { isBefore } = source;
  const expect = expectedOf(plan, name, { ...fates, isBefore });
  if (sink.sampler === undefined) {
    const difference = await tableDifference(sink.at, tablesOf(records, expect, fates.unsure));
    const wrong = { lost: difference === "" ? 0 : 1, corrupted: 0, reordered: 0, duplicated: 0 };
    const committed = records.filter((record) => expect(record) !== undefined).length;
    const problems = difference === "" ? [] : [`elasticsearch: ${difference}`];
    return { output: "elasticsearch", committed, ...wrong, runs: [], problems };
  }
  const { sampler } = sink;
  const topics = [...new Set(source.topics().map((topic) => sinkNameOf(plan, { name, topic })))];
  const copy = (await recordsOf(sink.at, topics)).map((record) => ({
    ...record,
    ...sampler.writtenWithin(record.topic, record.partition, record.offset),
  }));
  return copyVerdict(records, copy, { ...copyOptionsOf(round), ...fates, expect });
}

/** What was acked of a buffer on disk and may come again; see docs/operations.md. */
const bufferRecords = 2_000;

function copyOptionsOf({ plan, stage }: Round): Omit<CopyOptions, "expect" | "unsure"> {
  const { input, bus, output, diskBuffer } = plan;
  const samePartition = output.name === "kafka" && output.partition === "source";
  const windowRecords = bus.window.packets;
  // A member that is alone takes over from nobody but itself.
  if (input.members < 2 && !diskBuffer) {
    const [daemon] = stage.daemons;
    const { runs = [], stalls = [] } = daemon ?? {};
    const checkpointMs = bus.checkpointIntervalMs + commitMsMax;
    const bound = { by: "jumps", runs, stalls, windowRecords, checkpointMs } as const;
    return { samePartition, lastIsNewest: true, bound };
  }
  const knownMs = input.members > 1 ? input.commitMs + input.sessionTimeoutMs : 0;
  const bound = {
    by: "sum",
    starts: stage.daemons.reduce((sum, { runs }) => sum + runs.length, 0),
    disturbances: plan.faults.length,
    members: stage.daemons.length,
    windowRecords: windowRecords + (diskBuffer ? bufferRecords + bus.edge.packets : 0),
    unknownMs: bus.checkpointIntervalMs + commitMsMax + knownMs,
  } as const;
  return { samePartition, lastIsNewest: input.members < 2, bound };
}
