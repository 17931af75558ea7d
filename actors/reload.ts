import { createHash } from "node:crypto";
import type { WorkerSpec } from "#src/actor/child-spec.ts";
import type { System } from "#src/actor/system.ts";
import type { ConfigStatus, ReloadReport, ReloadRequest } from "#src/api/port.ts";
import { type Clock, sleep } from "#src/clock.ts";
import type { Config } from "#src/config/config.ts";
import { type ConfigDiff, diffConfigs, type EntryChange } from "#src/config/diff.ts";
import { insecureParts } from "#src/config/insecure.ts";
import { refusal } from "#src/config/load.ts";
import type { Loaded } from "#src/config/loaded.ts";
import { problemText } from "#src/config/problem.ts";
import { DbusError, toDbusError } from "#src/errors.ts";
import { type Gate, hold, release } from "./gates.ts";
import type { CheckpointMessage } from "./protocol.ts";
import {
  bufferedOutputs,
  bufferWorker,
  filterWorker,
  inputWorker,
  outputWorker,
  type TreeDeps,
} from "./supervision-tree.ts";
import { bindWiring, type FilterNode, type OutputNode, type Wiring } from "./wiring.ts";

export type ReloaderOptions = {
  /** What the tree was built of; the reloader belongs to it, so it is asked for. */
  readonly tree: () => TreeDeps;
  readonly system: () => System;
  /** Reads the same file as at the start, with the same environment and command line. */
  readonly load: () => Promise<Loaded>;
  readonly clock: Clock;
  /** Something runs now that did not run before, or does no longer. */
  readonly onApplied: () => void;
};

export type Reloader = {
  /** One at a time: a second one waits for the first and reads the file after it. */
  reload(request: ReloadRequest): Promise<ReloadReport>;
  status(): ConfigStatus;
};

/** Changes what runs to fit the configuration as it is now, or refuses and changes nothing. */
export function createReloader(first: Config, options: ReloaderOptions): Reloader {
  const { tree, load, clock } = options;
  let queue: Promise<unknown> = Promise.resolve();
  let version = 1;
  let hash = hashOf(first);
  let loadedAt = clock.wall();
  let refused: ConfigStatus["refused"] = null;

  async function run({ by, dryRun }: ReloadRequest): Promise<ReloadReport> {
    const { wiring, log } = tree();
    const { config, problems } = await load();
    if (!config) throw refusal(problems);
    const diff = diffConfigs(wiring.config, config);
    refuseFixed(diff.fixed);
    const { changes, rerouted } = diff;
    const report = { version, hash: hashOf(config), changes, rerouted, warnings: problems };
    if (dryRun) return { ...report, outcome: "dry-run" };
    for (const problem of problems) log.warn(problemText(problem), { by });
    for (const what of insecureParts(config)) log.warn(`insecure: ${what}`, { by });
    if (changes.length === 0) {
      refused = null;
      log.info("the configuration was read again; nothing in it has changed", { by });
      return { ...report, outcome: "unchanged" };
    }
    await apply(config, diff, options);
    version++;
    hash = report.hash;
    loadedAt = clock.wall();
    refused = null;
    const summary = changes.map(({ kind, name, change }) => `${kind} ${name} ${change}`);
    log.info("the configuration was reloaded", { by, version, changes: summary });
    options.onApplied();
    return { ...report, version, outcome: "applied" };
  }

  function refuse(thrown: unknown, { by, dryRun }: ReloadRequest): never {
    const error = toDbusError(thrown);
    if (!dryRun) {
      const { code, message, problems } = error;
      refused = { at: clock.wall(), code, message };
      const text = "the configuration was refused; nothing that runs has changed";
      tree().log.error(
        text,
        problems ? { by, code, problems: problems.map(problemText) } : { by, error },
      );
    }
    throw error;
  }

  return {
    reload(request) {
      const done = queue.then(() => run(request)).catch((thrown) => refuse(thrown, request));
      queue = done.catch(() => {});
      return done;
    },
    status: () => ({ file: tree().wiring.config.file, hash, version, loadedAt, refused }),
  };
}

function hashOf({ shown }: Config): string {
  return createHash("sha256").update(JSON.stringify(shown)).digest("hex").slice(0, 12);
}

function refuseFixed(keys: readonly string[]): void {
  if (keys.length === 0) return;
  const what = keys.length === 1 ? "this key is" : "these keys are";
  throw new DbusError("RELOAD_RESTART", `${what} read at the start only: ${keys.join(", ")}`);
}

/**
 * Until `rewire` everything can still be refused; from there on nothing waits for anybody but the
 * orderly ends of the actors that go, each of which has a deadline.
 */
async function apply(config: Config, diff: ConfigDiff, options: ReloaderOptions): Promise<void> {
  const { wiring, clock } = options.tree();
  const system = options.system();
  requireRunning(system);
  refuseLeft(wiring, config);
  const { edges: leaving, inputs: gone } = wiring.leaving(config);
  const goes = ({ partitions }: Gate) => gone.some((node) => node.partitions === partitions);
  const reroutes = ({ partitions }: Gate) => diff.rerouted.includes(partitions.key.input);
  const concerned = (gate: Gate) => goes(gate) || reroutes(gate);
  const deadline = clock.now() + wiring.config.bus.stopDeadlineMs;
  const common = { wiring, clock, leaving, deadline };
  let held = await hold({ ...common, gates: concerned });
  try {
    if (gone.length > 0) await commit(system, clock, deadline - clock.now());
    // Who was not held has gone on meanwhile, maybe over an edge that was empty and is to go.
    while (leaving.some((edge) => edge.unsettled().size > 0)) {
      const shut = held;
      held = await hold({ ...common, gates: (gate) => isOneOf(gate, shut) });
    }
    refuseLeft(wiring, config);
    requireRunning(system);
    const before = { outputs: wiring.outputs, filters: wiring.filters, inputs: wiring.inputs };
    wiring.rewire(config);
    await restart(before, diff, options, () => release(held.filter((gate) => !goes(gate))));
  } catch (error) {
    release(held);
    throw error;
  }
}

/** Gates are made anew each time they are asked for; what they let in is the same. */
const isOneOf = ({ partitions }: Gate, gates: readonly Gate[]): boolean =>
  gates.some((gate) => gate.partitions === partitions);

/** A buffer that goes with packets in it would keep them for ever. */
function refuseLeft({ outputs }: Wiring, config: Config): void {
  for (const { entry, stats } of outputs) {
    const packets = stats.buffer?.packets ?? 0;
    const next = config.outputs.find(({ name }) => name === entry.name);
    if (packets === 0 || next?.buffer.kind === "disk") continue;
    const message = `the buffer of ${entry.name} on disk still holds ${packets} packets`;
    throw new DbusError("SPILL_LEFT", message);
  }
}

function requireRunning(system: System): void {
  if (system.status().state === "running") return;
  const remedy = "the next start reads the new file";
  throw new DbusError("ACTOR_UNAVAILABLE", "dbusd is stopping", { remedy });
}

/** What an input has read is committed before it goes: should it come back, it goes on there. */
async function commit(system: System, clock: Clock, ms: number): Promise<void> {
  const checkpoint = system.ref<CheckpointMessage>("engine/checkpoint");
  const answered = new AbortController();
  const committed = checkpoint.ask<void>((reply) => ({ kind: "commit", reply }));
  const late = sleep(clock, ms, answered.signal).then(() => {
    const remedy = "see that the state can be written, then reload again";
    throw new DbusError("RELOAD_HELD", "the checkpoints were not written in time", { remedy });
  });
  await Promise.race([committed, late]).finally(() => answered.abort());
}

type Nodes = Pick<Wiring, "inputs" | "filters" | "outputs">;

/** Gives the three groups of the pipeline their children; `release` once the sinks are there. */
async function restart(
  before: Nodes,
  { changes }: ConfigDiff,
  { tree, system }: ReloaderOptions,
  releaseInputs: () => void,
): Promise<void> {
  const deps = tree();
  const { wiring } = deps;
  const restarts = (kind: EntryChange["kind"], name: string) =>
    changes.some((one) => one.kind === kind && one.name === name && one.restarts);
  function change<N extends Nodes["inputs"][number] | FilterNode | OutputNode>(
    kind: EntryChange["kind"],
    old: readonly N[],
    now: readonly N[],
    worker: (node: N, deps: TreeDeps) => WorkerSpec,
    group = `${kind}s`,
  ): Promise<void> {
    const was = (node: N) => old.some(({ path }) => path === node.path);
    const is = (node: N) => now.some(({ path }) => path === node.path);
    const anew = now.filter((node) => was(node) && restarts(kind, node.entry.name));
    return system().change(`engine/pipeline/${group}`, {
      remove: old.filter((node) => !is(node)).map(({ path }) => idOf(path)),
      replace: anew.map((node) => worker(node, deps)),
      add: now.filter((node) => !was(node)).map((node) => worker(node, deps)),
    });
  }
  const sinks = [
    change("output", before.outputs, wiring.outputs, outputWorker),
    change("output", bufferedOutputs(before), bufferedOutputs(wiring), bufferWorker, "buffers"),
    change("filter", before.filters, wiring.filters, filterWorker),
  ];
  const sources = change("input", before.inputs, wiring.inputs, inputWorker);
  bindWiring(wiring, system());
  deps.onRewired();
  await Promise.all(sinks);
  releaseInputs();
  await sources;
}

const idOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
