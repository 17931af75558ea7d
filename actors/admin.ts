import type { Ref } from "#src/actor/actor.ts";
import type { System } from "#src/actor/system.ts";
import type { NodeStatus } from "#src/actor/tree-node.ts";
import type { ClusterPort } from "#src/api/cluster-port.ts";
import type {
  ActorStatus,
  AdminPort,
  CheckpointView,
  ConfigStatus,
  NodeState,
  ReloadReport,
  Stat,
  StuckHead,
} from "#src/api/port.ts";
import type { Clock } from "#src/clock.ts";
import { insecureParts } from "#src/config/insecure.ts";
import { memoryBound } from "#src/config/memory-bound.ts";
import { DbusError, type ErrorCode, errorTable } from "#src/errors.ts";
import type { Edge } from "#src/flow/edge.ts";
import type { BufferStats } from "#src/flow/node-stats.ts";
import type { Json } from "#src/flow/position.ts";
import { edgeName, type Stuck, stuckHeads } from "#src/flow/stuck-head.ts";
import { type Throttle, throttledMs, throttleNote } from "#src/flow/throttle.ts";
import type { State } from "#src/state/state.ts";
import type { LoopLag } from "#src/watchdog/watchdog.ts";
import type { ClusterHandle } from "./cluster-actor.ts";
import type { EngineMessage } from "./engine-actor.ts";
import type { Redriven } from "./protocol.ts";
import type { Wiring } from "./wiring.ts";

export type AdminDeps = {
  readonly wiring: Wiring;
  readonly state: State;
  readonly clock: Clock;
  readonly version: string;
  readonly loopLag?: () => LoopLag;
  readonly cluster: ClusterHandle;
  readonly clusterPort: ClusterPort;
  readonly configStatus: () => ConfigStatus;
  /** The system is built after the tree that holds the API, so it is asked for. */
  readonly system: () => System;
};

/** What the admin API may ask of the running system. */
export function createAdmin(deps: AdminDeps): AdminPort {
  const { wiring, state } = deps;
  const commands = (): Ref<EngineMessage> => deps.system().ref("engine/commands");
  const startedAt = deps.clock.wall();
  const startedMono = deps.clock.now();
  const status = () => withCredit(deps.system().status(), creditByPath(wiring));
  return {
    cluster: deps.clusterPort,
    stat: () => statOf(deps, status(), startedAt, deps.clock.now() - startedMono),
    topology: () => topologyOf(wiring),
    supervisor: status,
    config: () => wiring.config.shown,
    reload: (request) =>
      commands().ask<ReloadReport>((reply) => ({ kind: "reload", request, reply })),
    pause: (input) =>
      commands().ask<void>((reply) => ({ kind: "setPaused", input, paused: true, reply })),
    resume: (input) =>
      commands().ask<void>((reply) => ({ kind: "setPaused", input, paused: false, reply })),
    checkpoints: () => checkpointsOf(deps),
    setCheckpoint: (key, position, dryRun = false) =>
      commands().ask<void>((reply) => ({
        kind: "reposition",
        key,
        position: position as Json,
        dryRun,
        reply,
      })),
    resetCheckpoint: (key, dryRun = false) =>
      commands().ask<void>((reply) => ({
        kind: "reposition",
        key,
        position: null,
        dryRun,
        reply,
      })),
    deadLetters: (query) => state.deadLetters.list(query),
    deadLetter(id) {
      const letter = state.deadLetters.get(id);
      if (!letter) {
        const remedy = "dbc deadletters list shows their numbers";
        throw new DbusError("NOT_FOUND", `no dead letter ${id}`, { remedy });
      }
      return letter;
    },
    redrive: (ids) =>
      wiring.redrive.ref.ask<Redriven>((reply) => ({ kind: "redrive", ids, reply })),
    gaps: () => state.gaps.list(),
  };
}

/** Credit left towards the next actors, by the path of the sender. */
function creditByPath(wiring: Wiring): Map<string, Record<string, number>> {
  const credits = (edges: readonly Edge[]) =>
    Object.fromEntries(edges.map((edge) => [edge.to, edge.creditLeft()]));
  return new Map([
    ["engine/pipeline/router", credits(wiring.router.outlet.edges)],
    ["engine/redrive", credits(wiring.redrive.edges)],
    ...wiring.filters.map(({ path, outlet }) => [path, credits(outlet.edges)] as const),
    ...wiring.outputs.flatMap(({ buffer }) =>
      buffer ? [[buffer.path, credits([buffer.edge])] as const] : [],
    ),
    ...wiring.inputs.map(({ path, edge }) => [path, credits([edge])] as const),
  ]);
}

function withCredit(node: NodeStatus, credits: Map<string, Record<string, number>>): ActorStatus {
  const children = node.children.map((child) => withCredit(child, credits));
  return { ...node, credit: credits.get(node.path) ?? {}, children };
}

function find(node: ActorStatus, path: string): ActorStatus | undefined {
  if (node.path === path) return node;
  for (const child of node.children) {
    const found = find(child, path);
    if (found) return found;
  }
  return undefined;
}

function statOf(deps: AdminDeps, tree: ActorStatus, startedAt: number, uptimeMs: number): Stat {
  const { wiring, state, version, configStatus } = deps;
  const now = deps.clock.now();
  const throttling = (stats: Throttle & { readonly note: string | null }) => ({
    note: stats.note ?? throttleNote(stats, now),
    throttledMs: throttledMs(stats, now),
  });
  const actor = (path: string) => {
    const found = find(tree, path);
    return { state: found ? nodeState(found) : "stopped", lastError: found?.lastError ?? null };
  };
  const inputs = wiring.inputs.map(({ entry, resource, path, stats, partitions }) => {
    const { lastError, state: actorState } = actor(path);
    const { throttledUntil: _, ...shown } = stats;
    return {
      name: entry.name,
      resource: resource.id,
      label: resource.label,
      plugin: entry.plugin.name,
      ...shown,
      ...throttling(stats),
      state: actorState === "backoff" || actorState === "blocked" ? actorState : stats.state,
      lagRecords: stats.lagRecords,
      lagSeconds: lagSeconds(stats.lagSeconds, partitions.heldMs),
      inFlight: partitions.inFlight,
      inFlightBytes: partitions.inFlightBytes,
      stuck: stuckHeads(partitions, wiring.edges, wiring.config.bus.stuckHeadMs).map(stuckView),
      lastError,
    };
  });
  const filters = wiring.filters.map(({ entry, path, stats }) => {
    const { ready: _, ...counters } = stats;
    return { name: entry.name, plugin: entry.plugin.name, ...counters, ...actor(path) };
  });
  const outputs = wiring.outputs.map(({ entry, path, stats }) => {
    const { ready: _, throttledUntil: __, blocked, buffer: kept, ...counters } = stats;
    const buffer = kept && bufferView(kept, deps.clock.wall());
    const common = { name: entry.name, plugin: entry.plugin.name, ...counters, buffer };
    const { state: own, lastError } = actor(path);
    const shown = blocked && own === "running" ? ("blocked" as const) : own;
    return { ...common, ...throttling(stats), state: shown, lastError };
  });
  const open = [...wiring.filters, ...wiring.outputs].every(({ stats }) => stats.ready);
  const reading = inputs.every(({ state }) => !["backoff", "blocked", "starting"].includes(state));
  return {
    version,
    pid: process.pid,
    epoch: state.epoch,
    startedAt,
    uptimeMs,
    loopLag: deps.loopLag?.() ?? null,
    rssBytes: process.memoryUsage.rss(),
    memoryBoundBytes: memoryBound(wiring.config).bytes,
    ready: tree.state === "running" && open && reading && deps.cluster.node?.joined === true,
    insecure: insecureParts(wiring.config),
    config: configStatus(),
    inputs,
    filters,
    outputs,
    unrouted: { packets: wiring.unrouted.packets, idents: [...wiring.unrouted.idents] },
    deadLetters: state.deadLetters.count(),
    gaps: state.gaps.count(),
  };
}

function bufferView({ oldestAt, ...own }: BufferStats, now: number) {
  const waited = oldestAt === null ? null : Math.max(0, now - oldestAt) / 1000;
  return { ...own, oldestAgeSeconds: own.packets === 0 ? 0 : waited };
}

/** Who failed with what passes by itself is tried again soon; for the rest a person is needed. */
function nodeState({ state, lastError }: ActorStatus): NodeState {
  const kind = errorTable[lastError?.code as ErrorCode]?.kind;
  return state === "backoff" && kind === "fatal" ? "blocked" : state;
}

function stuckView({ partition, seq, position, heldMs, edges }: Stuck): StuckHead {
  const at = edges.map(edgeName);
  return { partition: partition.name, ticket: seq, position: JSON.stringify(position), heldMs, at };
}

/** What was read is not delivered yet: an output that hangs is a lag as well. */
function lagSeconds(read: number | null, heldMs: number): number | null {
  if (heldMs < 1_000) return read;
  return Math.max(read ?? 0, Math.round(heldMs / 100) / 10);
}

function topologyOf({ config, graph }: Wiring) {
  const node = (
    kind: "input" | "filter" | "output",
    entry: { name: string; plugin: { name: string } },
    match: readonly string[],
    idents: readonly string[],
  ) => ({ name: entry.name, kind, plugin: entry.plugin.name, match, idents });
  return {
    nodes: [
      ...config.inputs.map((entry) => node("input", entry, [], entry.idents)),
      ...config.filters.map((entry) => node("filter", entry, entry.match, entry.idents)),
      ...config.outputs.map((entry) => node("output", entry, entry.match, [])),
    ],
    edges: graph,
  };
}

async function checkpointsOf({ state, wiring }: AdminDeps): Promise<readonly CheckpointView[]> {
  const stored = await state.checkpoints.list();
  return stored.map((checkpoint) => {
    const { input, resource, partition } = checkpoint;
    const node = wiring.inputs.find(
      ({ partitions: { key } }) => key.input === input && key.resource === resource,
    );
    const mark = node?.partitions.get(partition).ledger.watermark();
    return { ...checkpoint, watermark: mark === undefined ? null : JSON.stringify(mark) };
  });
}
