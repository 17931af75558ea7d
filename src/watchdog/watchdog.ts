import type { Turns } from "../actor/turns.ts";
import type { Clock } from "../clock.ts";
import type { LogLevel } from "../log.ts";

/** How long the event loop stood still, in milliseconds. */
export type LoopLag = {
  /** At the last look, at most a second ago or so. */
  readonly lastMs: number;
  readonly maxMs: number;
  /** Seconds-long ones since the start. */
  readonly stalls: number;
  /** The actor at whose turn the last of those was; null before one, or when it was nobody's. */
  readonly lastActor: string | null;
};

export type Watchdog = {
  readonly turns: Turns;
  lag(): LoopLag;
  stop(): void;
};

export type WatchdogOptions = {
  readonly clock: Clock;
  /** Told when the thread cannot be started: then nobody watches. */
  readonly onError: (message: string) => void;
  /** A loop that stands still for longer never goes on: the process is ended; 0 never ends it. */
  readonly stallMsMax: number;
  /** Where the note goes that says who it was. */
  readonly noteFile: string;
  readonly log: { readonly level: LogLevel; readonly format: "auto" | "pretty" | "json" };
};

/** What the thread that watches is told, beside the memory that it reads. */
export type WatchdogMessage =
  | {
      readonly kind: "watch";
      readonly memory: SharedArrayBuffer;
      readonly options: Omit<WatchdogOptions, "clock" | "onError">;
    }
  | { readonly kind: "actor"; readonly number: number; readonly path: string };

/** Places in the shared memory. */
export const TURN = 0;
export const BEAT = 1;

export const BEAT_MS = 100;
/** From so much on a stall is told of. */
export const STALL_MS = 1_000;

/** The compiled binary has the thread's code beside its own, below the folder of both sources. */
function workerPath(): string {
  const compiled = import.meta.path.startsWith("/$bunfs/");
  if (compiled) return "/$bunfs/root/watchdog/watchdog-worker.js";
  return new URL("./watchdog-worker.ts", import.meta.url).href;
}

/**
 * Watches the event loop from a thread of its own, which goes on when the loop does not: it logs
 * who had his turn, and ends the process when the loop never goes on.
 */
export function startWatchdog({ clock, onError, ...options }: WatchdogOptions): Watchdog {
  const buffer = new SharedArrayBuffer(64);
  const memory = new Int32Array(buffer);
  const worker = new Worker(workerPath());
  worker.onerror = ({ message }) => onError(message);
  const tell = (message: WatchdogMessage) => worker.postMessage(message);
  worker.unref();
  tell({ kind: "watch", memory: buffer, options });
  const paths: string[] = [];
  const lag = { lastMs: 0, maxMs: 0, stalls: 0, lastActor: null as string | null };
  let due = clock.now() + BEAT_MS;

  let timer = clock.after(BEAT_MS, beat);

  function beat(): void {
    const now = clock.now();
    Atomics.add(memory, BEAT, 1);
    lag.lastMs = Math.max(0, Math.round(now - due));
    lag.maxMs = Math.max(lag.maxMs, lag.lastMs);
    if (lag.lastMs >= STALL_MS) {
      lag.stalls++;
      lag.lastActor = paths[Math.abs(memory[TURN] ?? 0) - 1] ?? null;
    }
    due = now + BEAT_MS;
    timer = clock.after(BEAT_MS, beat);
  }

  return {
    turns: {
      memory,
      number(path) {
        const number = paths.push(path);
        tell({ kind: "actor", number, path });
        return number;
      },
    },
    lag: () => ({ ...lag }),
    stop() {
      timer.cancel();
      worker.terminate();
    },
  };
}
