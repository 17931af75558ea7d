import { createAdmin } from "#actors/admin.ts";
import { createBlame } from "#actors/blame.ts";
import { createMembership } from "#actors/membership.ts";
import { createReloader } from "#actors/reload.ts";
import { supervisionTree, type TreeDeps } from "#actors/supervision-tree.ts";
import { bindWiring, type Wiring, wire } from "#actors/wiring.ts";
import packageJson from "../package.json" with { type: "json" };
import { createSystem, type System } from "./actor/system.ts";
import type { AdminPort, ReloadReport } from "./api/port.ts";
import { exitCodes } from "./cli/exit-code.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { ConfigCheck } from "./cluster/operate/shared-config.ts";
import type { Config } from "./config/config.ts";
import { diffConfigs } from "./config/diff.ts";
import { insecureParts } from "./config/insecure.ts";
import type { Loaded } from "./config/loaded.ts";
import { afterStall, stallFile } from "./crash/after-stall.ts";
import { DbusError } from "./errors.ts";
import type { Log } from "./log.ts";
import { openState } from "./state/open-state.ts";
import type { State } from "./state/state.ts";
import { startWatchdog, type Watchdog } from "./watchdog/watchdog.ts";

/** A running bus. */
export type Daemon = {
  readonly admin: AdminPort;
  /** Where the admin API listens; null when it is switched off. */
  readonly adminUrl: string | null;
  /** Reads the configuration again; `by` is who asks. Rejects when it is refused, and has logged it. */
  reload(by: string): Promise<ReloadReport>;
  /** Drains, commits, closes. May be called more than once. */
  stop(reason: string): Promise<void>;
  /** Resolves when the daemon has ended, by `stop`, by itself, or because the root gave up. */
  readonly done: Promise<{ readonly exitCode: number; readonly reason: string }>;
};

export type DaemonOptions = {
  readonly log: Log;
  readonly clock?: Clock;
  /** Where it keeps what outlives it; the default is SQLite under `state.dir`. */
  readonly state?: State;
  /** Reads the configuration again, for a reload; without it there is nothing to read. */
  readonly load?: () => Promise<Loaded>;
  /** Checks a configuration that is to be shared; without it none is taken. */
  readonly check?: (text: string) => Promise<Loaded>;
  /**
   * Given, before anything starts, what ends the actor whose code threw something that nobody
   * caught. It answers false when nobody is known whose it was.
   */
  readonly onBlame?: (blame: (thrown: unknown) => boolean) => void;
};

/**
 * Starts the bus that a configuration describes. Throws a `DbusError` when it cannot start at all:
 * `SPILL_LEFT`, `STATE_LOCKED`, `STATE_UNWRITABLE`, `STATE_CORRUPT`, `ADMIN_LISTEN`, `ADMIN_UNSAFE`.
 */
export async function startDaemon(config: Config, options: DaemonOptions): Promise<Daemon> {
  const { log, clock = systemClock } = options;
  const kept = options.state ?? (await openState({ dir: config.state.dir }));
  await requireNothingLeft(config, kept).catch(async (error) => {
    await kept.close();
    throw error;
  });
  for (const what of insecureParts(config)) log.warn(`insecure: ${what}`);
  const { crashes } = kept;
  const careful = afterStall({ dir: config.state.dir, crashes, clock, log });
  const watchdog = config.bus.watchdog ? watch(config, clock, log) : undefined;
  const wiring = wire({ config, epoch: kept.epoch, clock, log });
  const { check: load } = options;
  const check = load && ((text: string) => checkShared(text, wiring.config, load));
  const { checkpoints, localLog } = kept;
  const cluster = createMembership({
    ...{ config, wiring, checkpoints, localLog, clock, log },
    ...(check ? { check } : {}),
  });
  const state = { ...kept, checkpoints: cluster.checkpoints };
  const done = Promise.withResolvers<{ exitCode: number; reason: string }>();
  let adminUrl: string | null = null;
  function stopWhenFinished(): void {
    const ended = wiring.inputs.every(({ stats }) => stats.state === "finished");
    const finished = ended && wiring.outputs.every(({ stats }) => !stats.buffer?.packets);
    if (finished && config.bus.onFinished === "exit") void stop("every input has ended");
  }
  let uncommitted: DbusError | undefined;
  const same: Loaded = { config, problems: [], edges: wiring.graph };
  const reloader = createReloader(config, {
    tree: () => deps,
    clock,
    system: () => system,
    load: options.load ?? (() => Promise.resolve(same)),
    onApplied: stopWhenFinished,
  });
  const admin = createAdmin({
    wiring,
    state,
    clock,
    version: packageJson.version,
    configStatus: reloader.status,
    cluster: cluster.handle,
    clusterPort: cluster.port,
    ...(watchdog ? { loopLag: watchdog.lag } : {}),
    system: () => system,
  });
  const deps: TreeDeps = {
    config,
    wiring,
    state,
    clock,
    log,
    random: Math.random,
    careful,
    admin,
    cluster: cluster.handle,
    join: cluster.join,
    onRewired: cluster.rewired,
    wake: (path) => system.wake(path),
    reload: reloader.reload,
    onListening(url) {
      adminUrl = url;
    },
    onInputFinished: stopWhenFinished,
    onUncommitted(error) {
      uncommitted = error;
    },
  };
  const tree = supervisionTree(deps);
  const system: System = createSystem(tree, {
    clock,
    ...(watchdog ? { turns: watchdog.turns } : {}),
    onFailure(path, error, delayMs) {
      logFailure(log, path, error, delayMs);
      // Another version has to be run: waiting for the others to go back would be in vain.
      if (error.code === "CLUSTER_PROTOCOL") void stop(error.message, exitCodes.incompatible);
    },
  });
  bindWiring(wiring, system);
  options.onBlame?.(createBlame({ wiring: () => wiring, system: () => system, clock, log }));

  let stopping: Promise<void> | undefined;
  function stop(reason: string, exitCode = 0): Promise<void> {
    stopping ??= (async () => {
      log.info(`stopping: ${reason}`, whatIsLeft(wiring));
      uncommitted = await cluster.leave();
      await system.stop();
      watchdog?.stop();
      careful?.atHand.close();
      await state.close();
      const late = exitCode === 0 && uncommitted ? exitCodes.state : exitCode;
      done.resolve({ exitCode: late, reason });
    })();
    return stopping;
  }
  void system.failed.then((error) => {
    log.error("the supervision tree gave up", { error });
    return stop(error.message, 1);
  });
  try {
    await system.start();
  } catch (error) {
    watchdog?.stop();
    await state.close();
    throw error;
  }
  return {
    admin,
    adminUrl,
    reload: (by) => admin.reload({ by, dryRun: false }),
    stop: (reason) => stop(reason),
    done: done.promise,
  };
}

/** What a stop waits for, and for how long at most; nothing where nothing is in flight. */
function whatIsLeft({ inputs, config: { bus } }: Wiring): Readonly<Record<string, number>> {
  const inFlight = inputs.reduce((sum, { partitions }) => sum + partitions.inFlight, 0);
  return inFlight === 0 ? {} : { inFlight, waitMsMax: bus.stopDeadlineMs };
}

/** Packets in a buffer that no output of the configuration has would stay there unseen. */
async function requireNothingLeft({ outputs }: Config, { spills }: State): Promise<void> {
  for (const { name, packets } of await spills.left()) {
    if (outputs.some((one) => one.name === name && one.buffer.kind === "disk")) continue;
    const message = `the buffer of ${name} on disk still holds ${packets} packets`;
    throw new DbusError("SPILL_LEFT", message);
  }
}

async function checkShared(
  text: string,
  running: Config,
  load: (text: string) => Promise<Loaded>,
): Promise<ConfigCheck> {
  const { config, problems } = await load(text);
  return { problems, restart: config ? diffConfigs(running, config).fixed : [] };
}

function watch({ bus, state, log: options }: Config, clock: Clock, log: Log): Watchdog {
  const noteFile = stallFile(state.dir);
  const onError = (error: string) => log.warn("nobody watches the event loop", { error });
  const { stallMsMax } = bus;
  return startWatchdog({ clock, stallMsMax, noteFile, log: options, onError });
}

function logFailure(log: Log, path: string, error: DbusError, delayMs: number | null): void {
  const next = delayMs === null ? "it stays down" : `again in ${Math.round(delayMs)} ms`;
  const text = `${path} failed; ${next}`;
  if (error.kind === "retry") log.warn(text, { error });
  else log.error(text, { error });
}
