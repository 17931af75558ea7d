import { behaviour } from "#src/actor/actor.ts";
import { defaultBackoff } from "#src/actor/backoff.ts";
import type { Strategy, SupervisorSpec, WorkerSpec } from "#src/actor/child-spec.ts";
import type { AdminPort, ReloadReport, ReloadRequest } from "#src/api/port.ts";
import type { Clock } from "#src/clock.ts";
import type { ClusterNode } from "#src/cluster/node-port.ts";
import type { BusConfig, Config, OutputEntry } from "#src/config/config.ts";
import type { Careful } from "#src/crash/after-stall.ts";
import { createSuspects, type Suspects } from "#src/crash/suspects.ts";
import { DbusError } from "#src/errors.ts";

import type { Log } from "#src/log.ts";
import { loadModule } from "#src/plugin/registry.ts";
import type { SpillLoss } from "#src/spill/spill-log.ts";
import type { State } from "#src/state/state.ts";
import { apiActor } from "./api-actor.ts";
import { bufferActor } from "./buffer-actor.ts";
import { checkpointActor } from "./checkpoint-actor.ts";
import { type ClusterHandle, clusterActor } from "./cluster-actor.ts";
import { engineActor } from "./engine-actor.ts";
import { filterActor } from "./filter-actor.ts";
import { inputActor } from "./input-actor.ts";
import { outputActor } from "./output-actor.ts";
import { redriveActor } from "./redrive-actor.ts";
import { routerActor } from "./router-actor.ts";
import { stuckHeadActor } from "./stuck-head-actor.ts";
import type { BufferNode, FilterNode, InputNode, OutputNode, Wiring } from "./wiring.ts";

export type TreeDeps = {
  readonly config: Config;
  readonly wiring: Wiring;
  readonly state: State;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** A node that notes each packet that it is given. */
  readonly careful?: Careful | undefined;
  readonly admin: AdminPort;
  /** The cluster of this process, and how it is joined: alone, or with others. */
  readonly cluster: ClusterHandle;
  readonly join: () => Promise<ClusterNode>;
  /** Ends the backoff of an actor. */
  readonly wake: (path: string) => boolean;
  /** Reads the configuration again and does what it asks for. */
  readonly reload: (request: ReloadRequest) => Promise<ReloadReport>;
  /** Other inputs than before may be there now. */
  readonly onRewired: () => void;
  /** Told the URL of the admin API once it listens. */
  readonly onListening: (url: string) => void;
  readonly onInputFinished: () => void;
  /** Told when the last checkpoint could not be committed. */
  readonly onUncommitted: (error: DbusError) => void;
};

/**
 * The tree, in the order in which it starts; it stops in reverse, so sources stop first and sinks
 * last, and the checkpoints are committed after them. Those of one group stop at once: all inputs
 * have one deadline.
 *
 *   engine (rest_for_one)
 *   ├── checkpoint     commits watermarks; everything that moves them stands after it
 *   ├── cluster        says which resources are ours; it leaves once the inputs have come to an end
 *   ├── pipeline (rest_for_one)
 *   │   ├── outputs (one_for_one)
 *   │   ├── buffers (one_for_one)   before the outputs that have one on disk
 *   │   ├── filters (one_for_one)
 *   │   ├── router
 *   │   └── inputs (one_for_one)
 *   ├── stuck-heads    raises an alarm for a packet that holds up a checkpoint
 *   ├── redrive        dead letters on their way back
 *   ├── commands       what an operator asks for, one at a time
 *   └── api            the admin API
 */
export function supervisionTree(deps: TreeDeps): SupervisorSpec {
  const { wiring } = deps;
  const { restarts } = deps.config.bus;
  const groups = {
    why: "plugin instances do not depend on one another: edges hold what a failed one has not settled",
    strategy: "one_for_one" as Strategy,
    ...patience(restarts, 1),
  };
  const pipeline = supervisor("pipeline", {
    ...patience(restarts, 20),
    strategy: "rest_for_one",
    why: "whoever sends to a group that gave up starts behind it again",
    children: [
      supervisor("outputs", {
        ...groups,
        children: wiring.outputs.map((n) => outputWorker(n, deps)),
      }),
      supervisor("buffers", {
        ...groups,
        children: bufferedOutputs(wiring).map((n) => bufferWorker(n, deps)),
      }),
      supervisor("filters", {
        ...groups,
        children: wiring.filters.map((n) => filterWorker(n, deps)),
      }),
      router(deps),
      supervisor("inputs", { ...groups, children: wiring.inputs.map((n) => inputWorker(n, deps)) }),
    ],
  });
  return supervisor("engine", {
    ...patience(restarts, 120),
    strategy: "rest_for_one",
    why: "without checkpoints nothing may run; without the API everything else goes on",
    children: [
      ...[checkpoint(deps), cluster(deps), pipeline, stuckHeads(deps)],
      ...[redrive(deps), commands(deps), api(deps)],
    ],
  });
}

/** The outputs that have a buffer on disk. */
export function bufferedOutputs({ outputs }: Pick<Wiring, "outputs">): readonly OutputNode[] {
  return outputs.filter(({ buffer }) => buffer !== undefined);
}

function supervisor(
  id: string,
  spec: Omit<SupervisorSpec, "kind" | "id" | "backoff">,
): SupervisorSpec {
  return { kind: "supervisor", id, backoff: defaultBackoff, ...spec };
}

/**
 * A group takes most of its period to give up, as the backoff grows; so whoever stands above it
 * has to remember for longer, or its count would never be full and nothing would reach the root.
 */
function patience({ intensity, periodMs }: BusConfig["restarts"], times: number) {
  return { intensity, periodMs: periodMs * times };
}

function worker(id: string, behaviourOf: WorkerSpec["behaviour"], shutdownMs = 5_000): WorkerSpec {
  return { kind: "worker", id, behaviour: behaviourOf, restart: "permanent", shutdownMs };
}

/** A batch that credit can never fill would always wait for its linger time. */
function fillable(entry: OutputEntry, bus: BusConfig): OutputEntry {
  const room = entry.buffer.kind === "disk" ? unspilled(bus) : bus.window;
  const countMax = Math.min(entry.batch.countMax, bus.edge.packets, room.packets);
  const bytesMax = Math.min(entry.batch.bytesMax, bus.edge.bytes, room.bytes);
  return { ...entry, batch: { ...entry.batch, countMax, bytesMax } };
}

/**
 * What a buffer has on its way to its output before the disk takes everything. Less than the window
 * of an input: who has the whole of it in flight sends nothing more that would show it full.
 */
function unspilled({ edge, window }: BusConfig): BusConfig["window"] {
  return {
    packets: Math.max(1, Math.min(edge.packets, window.packets >> 1)),
    bytes: Math.max(1, Math.min(edge.bytes, window.bytes >> 1)),
  };
}

export function outputWorker(node: OutputNode, deps: TreeDeps): WorkerSpec {
  const { state, clock, config, random, wiring } = deps;
  const { stats } = node;
  const entry = fillable(node.entry, config.bus);
  const log = deps.log.with({ output: entry.name });
  const attached = (incarnation: number) => wiring.attached(node.ref, incarnation);
  const stateDir = config.state.dir;
  const { deadLetters } = state;
  const { overtaking } = wiring;
  const suspects = suspectsOf(entry.name, log, deps);
  const kept = { deadLetters, overtaking, suspects };
  const own = { entry, attached, ...kept, stats, clock, log, stateDir, random };
  // Opening it again is a retry like those of its writes.
  const retryMsMax = Math.max(defaultBackoff.minMs, entry.retry.delayMsMax);
  return { ...worker(entry.name, behaviour(outputActor, own)), retryMsMax };
}

export function bufferWorker(node: OutputNode, deps: TreeDeps): WorkerSpec {
  const { entry, stats } = node;
  const buffer = node.buffer as BufferNode;
  const { wiring, state, config } = deps;
  const log = deps.log.with({ output: entry.name });
  const own = {
    entry,
    edge: buffer.edge,
    spills: state.spills,
    window: unspilled(config.bus),
    nextLane: wiring.nextLane,
    attached: (incarnation: number) => wiring.attached(buffer.ref, incarnation),
    stats,
    log,
    lost: (loss: SpillLoss) => noteLoss(loss, entry.name, state, log),
    onEmpty: deps.onInputFinished,
  };
  return worker(entry.name, behaviour(bufferActor, own));
}

/** Packets of a buffer that cannot be read any more: never silently. */
function noteLoss({ from, to, reason }: SpillLoss, output: string, state: State, log: Log): void {
  const count = to - from + 1;
  const message = `${count} packets of the buffer of ${output} are lost: ${reason}`;
  log.error("packets of a buffer are lost", { error: new DbusError("SPILL_DAMAGED", message) });
  const place = { input: output, resource: "buffer", partition: "0" };
  state.gaps.put({ ...place, from: String(from), to: String(to + 1), reason: message });
}

export function filterWorker(
  { entry, ref, outlet, stats }: FilterNode,
  deps: TreeDeps,
): WorkerSpec {
  const { state, clock, config, wiring } = deps;
  const log = deps.log.with({ filter: entry.name });
  const attached = (incarnation: number) => wiring.attached(ref, incarnation);
  const stateDir = config.state.dir;
  const { deadLetters } = state;
  const { overtaking } = wiring;
  const suspects = suspectsOf(entry.name, log, deps);
  const kept = { deadLetters, overtaking, suspects };
  const { bus, file } = deps.config;
  const load = (written: string) => loadModule(written, file, entry.contents?.[written]);
  const own = { entry, outlet, attached, ...kept, stats, clock, log, stateDir, bus, load };
  return worker(entry.name, behaviour(filterActor, own));
}

function suspectsOf(node: string, log: Log, { state, clock, careful }: TreeDeps): Suspects {
  const atHand = careful?.node === node ? careful.atHand : undefined;
  return createSuspects({ node, store: state.crashes, clock, log, atHand });
}

function router({ wiring }: TreeDeps): WorkerSpec {
  const { ref, outlet } = wiring.router;
  const attached = (incarnation: number) => wiring.attached(ref, incarnation);
  return worker("router", behaviour(routerActor, { outlet, attached }));
}

export function inputWorker(node: InputNode, deps: TreeDeps): WorkerSpec {
  const { entry, resource, edge, partitions, stats, tenure } = node;
  const { state, clock, config, onInputFinished } = deps;
  const own = {
    entry,
    resource,
    edge,
    partitions,
    tenure,
    stats,
    clock,
    checkpoints: state.checkpoints,
    gaps: state.gaps,
    deadLetters: state.deadLetters,
    log: deps.log.with({ input: entry.name }),
    stateDir: config.state.dir,
    stopDeadlineMs: config.bus.stopDeadlineMs,
    onFinished: onInputFinished,
  };
  const shutdownMs = config.bus.stopDeadlineMs + 2_000;
  return worker(`${entry.name}.${resource.id}`, behaviour(inputActor, own), shutdownMs);
}

function checkpoint({ wiring, state, config, log, onUncommitted }: TreeDeps): WorkerSpec {
  const sources = () => wiring.inputs.map(({ partitions, ref }) => ({ partitions, input: ref }));
  const own = {
    sources,
    store: state.checkpoints,
    epoch: state.epoch,
    intervalMs: config.bus.checkpointIntervalMs,
    log,
    onUncommitted,
  };
  return worker("checkpoint", behaviour(checkpointActor, own));
}

function cluster({ cluster: handle, join, config: { bus } }: TreeDeps): WorkerSpec {
  const leaveMs = bus.stopDeadlineMs;
  return worker("cluster", behaviour(clusterActor, { handle, join, leaveMs }), leaveMs + 2_000);
}

function stuckHeads({ wiring, config, log }: TreeDeps): WorkerSpec {
  const inputs = () => wiring.inputs.map(({ partitions }) => partitions);
  const own = { inputs, edges: () => wiring.edges, afterMs: config.bus.stuckHeadMs, log };
  return worker("stuck-heads", behaviour(stuckHeadActor, own));
}

function redrive({ wiring, state }: TreeDeps): WorkerSpec {
  const { partitions } = wiring.redrive;
  const edges = () => wiring.redrive.edges;
  const { overtaking } = wiring;
  const own = { deadLetters: state.deadLetters, overtaking, edges, partitions };
  return worker("redrive", behaviour(redriveActor, own));
}

function commands({ wiring, state, wake, reload }: TreeDeps): WorkerSpec {
  const { checkpoints } = state;
  return worker("commands", behaviour(engineActor, { wiring, checkpoints, wake, reload }));
}

function api({ config, admin, log, onListening }: TreeDeps): WorkerSpec {
  return worker("api", behaviour(apiActor, { config: config.admin, admin, log, onListening }));
}
