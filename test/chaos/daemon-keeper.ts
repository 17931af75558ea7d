import { statSync } from "node:fs";
import { join } from "node:path";
import { type DaemonProcess, startDaemonProcess } from "../support/daemon-process.ts";
import { waitFor } from "../support/wait-for.ts";
import type { Run, Stall } from "./duplicates.ts";
import type { Journal } from "./journal.ts";

/** The dbusd of a round, which is killed, stopped and started again, each run written down. */
export type DaemonKeeper = {
  readonly runs: readonly Run[];
  readonly stalls: readonly Stall[];
  start(): Promise<void>;
  /** Resolves when the process of now answers and has gone on for so long, or with `over`. */
  hasRun(ms: number, over: Promise<void>): Promise<void>;
  /** Killed, and not started again. */
  kill(): Promise<void>;
  /** Asked to stop; `quiet` says that nothing was wrong when it was asked. */
  stop(quiet: () => boolean): Promise<void>;
  pause(): void;
  goOn(): void;
  /** The process of now; undefined while there is none. */
  readonly process: DaemonProcess | undefined;
  /** For a time in which no checkpoint can be written. */
  stall(): () => void;
};

export type KeeperOptions = {
  readonly config: Readonly<Record<string, unknown>>;
  readonly dir: string;
  readonly journal: Journal;
  /** Another build of dbusd: a source file, or an executable. */
  readonly entry: string | undefined;
  /** The nth sync of each process, and the one behind it. */
  readonly failingSync: number | undefined;
  /** `bus.stopDeadlineMs`, and what a busy machine needs besides. */
  readonly stopMsMax: number;
  /** Whether it may be that it cannot start now, as its disk is full. */
  mayRefuse(): boolean;
};

/** What dbusd ends with when its data folder cannot be written. */
const stateExit = 3;

/** What a process ends with that does not listen for SIGTERM. */
const unhandledTerm = 143;

function logSize(dir: string): number {
  return statSync(join(dir, "dbusd.log"), { throwIfNoEntry: false })?.size ?? 0;
}

/** Whether it has said that it runs, in its part of the log. */
async function hasBegun(process: DaemonProcess, logFrom: number): Promise<boolean> {
  const log = Buffer.from(await process.log());
  return log.subarray(logFrom).includes("dbus is running");
}

export function daemonKeeper(options: KeeperOptions): DaemonKeeper {
  const { journal } = options;
  const runs: { startedAt: number; endedAt: number; clean: boolean; logFrom: number }[] = [];
  const stalls: Stall[] = [];
  let process: DaemonProcess | undefined;
  let ending = false;
  let paused: (() => void) | undefined;
  let starting: Promise<void> = Promise.resolve();

  function start(): Promise<void> {
    starting = starting.then(startOne);
    return starting;
  }

  async function startOne(): Promise<void> {
    if (process !== undefined) return;
    const endedAt = Number.POSITIVE_INFINITY;
    const logFrom = logSize(options.dir);
    const run = { startedAt: Date.now(), endedAt, clean: false, logFrom };
    runs.push(run);
    ending = false;
    // It may find the disk full and end when there is room again.
    const mayRefuse = options.mayRefuse();
    const { dir, config, entry, failingSync } = options;
    const started = await startDaemonProcess({ dir, config, entry, failingSync });
    process = started;
    journal.note(`dbusd started, pid ${started.pid}`);
    void started.exited.then(async (code) => {
      run.endedAt = Date.now();
      journal.note(`dbusd ended with ${code}`);
      if (ending || process !== started) return;
      process = undefined;
      // The sync that fails may be one of those with which it makes its files.
      const failedAtStart = failingSync !== undefined && !(await hasBegun(started, logFrom));
      if (code === stateExit && (mayRefuse || failedAtStart || options.mayRefuse())) {
        // As a service manager does it, until there is room again.
        await Bun.sleep(200);
        if (!ending) await start();
      } else journal.problem(`dbusd ended by itself with ${code}`);
    });
  }

  function stall(): () => void {
    const from = Date.now();
    const open: { from: number; to: number } = { from, to: Number.POSITIVE_INFINITY };
    stalls.push(open);
    return () => {
      open.to = Math.min(open.to, Date.now());
    };
  }

  const keeper: DaemonKeeper = {
    ...{ runs, stalls, start, stall },
    get process() {
      return process;
    },
    async hasRun(ms, over) {
      await starting;
      const began = process;
      const running = async () => {
        await began?.ready().catch(() => {});
        await Bun.sleep(ms);
      };
      await Promise.race([running(), over]);
    },
    async kill() {
      await starting;
      ending = true;
      const killed = process;
      process = undefined;
      killed?.kill("SIGKILL");
      await killed?.exited;
    },
    async stop(quiet) {
      await starting;
      ending = true;
      const stopped = process;
      if (stopped === undefined) return;
      const run = runs.at(-1)!;
      const wasQuiet = quiet();
      const began = performance.now();
      stopped.kill("SIGTERM");
      const what = "dbusd to stop";
      const ended = await waitFor(() => !stopped.running, { what, timeoutMs: options.stopMsMax })
        .then(() => true)
        .catch(() => false);
      process = undefined;
      if (!ended) {
        journal.problem(`dbusd did not stop within ${options.stopMsMax} ms`);
        stopped.kill("SIGKILL");
      }
      const code = await stopped.exited;
      const ms = Math.round(performance.now() - began);
      journal.note(`dbusd stopped with ${code} after ${ms} ms${wasQuiet ? ", in quiet" : ""}`);
      // A process that has not begun yet ends as any process does.
      const early = code === unhandledTerm && !(await hasBegun(stopped, run.logFrom));
      if (ended && code !== 0 && !early) journal.problem(`dbusd stopped with ${code}`);
      run.clean = ended && code === 0 && wasQuiet && quiet();
    },
    pause() {
      paused = stall();
      process?.kill("SIGSTOP");
    },
    goOn() {
      process?.kill("SIGCONT");
      paused?.();
    },
  };
  return keeper;
}
