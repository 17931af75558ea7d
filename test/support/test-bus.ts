import { createAdmin } from "#actors/admin.ts";
import { createMembership } from "#actors/membership.ts";
import { createReloader } from "#actors/reload.ts";
import { supervisionTree, type TreeDeps } from "#actors/supervision-tree.ts";
import { bindWiring, type Wiring, wire } from "#actors/wiring.ts";
import type { Scheduler } from "#src/actor/scheduler.ts";
import { createSystem, type System } from "#src/actor/system.ts";
import type { AdminPort, ReloadReport } from "#src/api/port.ts";
import { type Clock, systemClock } from "#src/clock.ts";
import type {
  BusConfig,
  Config,
  FilterEntry,
  InputEntry,
  OutputEntry,
} from "#src/config/config.ts";
import type { DbusError } from "#src/errors.ts";
import { type Log, silentLog } from "#src/log.ts";
import type { FilterPlugin, InputPlugin, OutputPlugin } from "#src/plugin/define.ts";
import { memoryState } from "#src/state/memory-state.ts";
import type { State } from "#src/state/state.ts";
import { adminConfig } from "./admin-config.ts";

/** A bus of plugins that a test makes, without a file, an API or a disk. */
export type TestBus = {
  readonly wiring: Wiring;
  readonly system: System;
  readonly state: State;
  readonly admin: AdminPort;
  readonly failures: { readonly path: string; readonly error: DbusError }[];
  /** Takes other entries, as a reload of the file does; what is left out stays as it is. */
  reload(entries: Partial<Pick<Config, "inputs" | "filters" | "outputs">>): Promise<ReloadReport>;
  stop(): Promise<void>;
};

export type TestBusOptions = {
  readonly inputs: readonly InputEntry[];
  readonly filters?: readonly FilterEntry[];
  readonly outputs: readonly OutputEntry[];
  readonly bus?: Partial<BusConfig>;
  readonly state?: State;
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
  readonly random?: () => number;
  readonly log?: Log;
  readonly onInputFinished?: () => void;
};

const place = {};
const timeoutMs = 0;

export function inputEntry(
  name: string,
  plugin: InputPlugin,
  more: Partial<InputEntry> = {},
): InputEntry {
  const ident = more.ident ?? name;
  const own = { name, plugin, config: {}, shown: {}, place, timeoutMs, ident, idents: [ident] };
  return { ...own, paused: false, cost: 1, tags: [], ...more };
}

export function filterEntry(
  name: string,
  plugin: FilterPlugin,
  match: readonly string[],
  more: Partial<FilterEntry> = {},
): FilterEntry {
  const ident = more.ident ?? name;
  const own = { name, plugin, config: {}, shown: {}, place, timeoutMs, match, ident };
  return { ...own, idents: [ident], onFailed: "deadletter", ...more };
}

export function outputEntry(
  name: string,
  plugin: OutputPlugin,
  match: readonly string[],
  more: Partial<OutputEntry> = {},
): OutputEntry {
  const batch = { countMax: 1024, bytesMax: 1 << 20, lingerMs: 0 };
  const retry = { times: 3, delayMs: 10, delayMsMax: 100 };
  const own = { name, plugin, config: {}, shown: {}, place, timeoutMs, match, batch, retry };
  const buffer = { kind: "memory", bytesMax: 0 } as const;
  return { ...own, onFailed: "deadletter", buffer, ...more };
}

export const defaultBus: BusConfig = {
  window: { packets: 8192, bytes: 32 << 20 },
  edge: { packets: 2048, bytes: 8 << 20 },
  onUnrouted: "drop",
  checkpointIntervalMs: 50,
  stopDeadlineMs: 1_000,
  stuckHeadMs: 60_000,
  watchdog: false,
  stallMsMax: 0,
  restarts: { intensity: 5, periodMs: 30_000 },
  onFinished: "stay",
};

export async function startTestBus(options: TestBusOptions): Promise<TestBus> {
  const { clock = systemClock, log = silentLog, random = Math.random } = options;
  const state = options.state ?? memoryState();
  const config: Config = {
    file: "test.yaml",
    bus: { ...defaultBus, ...options.bus },
    state: { dir: "" },
    admin: adminConfig({ enabled: false }),
    log: { level: "error", format: "json" },
    inputs: options.inputs,
    filters: options.filters ?? [],
    outputs: options.outputs,
    shown: {},
  };
  const wiring = wire({ config, epoch: state.epoch, clock, log });
  const { checkpoints, localLog } = state;
  const cluster = createMembership({ config, wiring, checkpoints, localLog, clock, random, log });
  const failures: TestBus["failures"] = [];
  let next = config;
  const reloader = createReloader(config, {
    tree: () => deps,
    clock,
    system: () => system,
    load: async () => ({ config: next, problems: [], edges: [] }),
    onApplied() {},
  });
  const admin = createAdmin({
    wiring,
    state,
    clock,
    version: "test",
    configStatus: reloader.status,
    cluster: cluster.handle,
    clusterPort: cluster.port,
    system: () => system,
  });
  const deps: TreeDeps = {
    config,
    wiring,
    state,
    clock,
    log,
    random,
    admin,
    cluster: cluster.handle,
    join: cluster.join,
    onRewired: cluster.rewired,
    wake: (path) => system.wake(path),
    reload: reloader.reload,
    onListening() {},
    onUncommitted() {},
    onInputFinished: options.onInputFinished ?? (() => {}),
  };
  const tree = supervisionTree(deps);
  const system: System = createSystem(tree, {
    clock,
    random,
    onFailure: (path, error) => failures.push({ path, error }),
    ...(options.scheduler ? { scheduler: options.scheduler } : {}),
  });
  bindWiring(wiring, system);
  await system.start();
  function reload(entries: Parameters<TestBus["reload"]>[0]): Promise<ReloadReport> {
    next = { ...next, ...entries };
    return admin.reload({ by: "a test", dryRun: false });
  }
  return { wiring, system, state, admin, failures, reload, stop: () => system.stop() };
}
