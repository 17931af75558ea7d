import type { Clock } from "../clock.ts";
import { DbusError } from "../errors.ts";
import type { Log } from "../log.ts";

export type Deadline<T> = {
  readonly clock: Clock;
  /** Milliseconds; 0 waits for ever. */
  readonly ms: number;
  /** Whose call it is, for people, e.g. `write of orders`. */
  readonly what: string;
  /** Given what came after the deadline, when nobody waits any more. */
  readonly late?: (value: T) => void;
};

/** The result of a plugin's call. Rejects with `PLUGIN_TIMEOUT` when it has none in time. */
export function withDeadline<T>(work: Promise<T>, deadline: Deadline<T>): Promise<T> {
  const { clock, ms, what, late } = deadline;
  if (ms === 0) return work;
  return new Promise((resolve, reject) => {
    let over = false;
    const timer = clock.after(ms, () => {
      over = true;
      reject(new DbusError("PLUGIN_TIMEOUT", `${what} did not return within ${ms} ms`));
    });
    work.then(
      (value) => {
        timer.cancel();
        if (over) late?.(value);
        else resolve(value);
      },
      (error) => {
        timer.cancel();
        // What comes too late is nobody's any more.
        if (!over) reject(error);
      },
    );
  });
}

/** Whether a call failed only because it took too long. */
export function isTimeout(error: unknown): boolean {
  return error instanceof DbusError && error.code === "PLUGIN_TIMEOUT";
}

type Opening<S> = {
  readonly clock: Clock;
  readonly ms: number;
  readonly name: string;
  open(): Promise<S> | S;
  close(state: S): Promise<void> | void | undefined;
};

/** Opens a plugin. One that is open only after the deadline is closed again. */
export function openInTime<S>({ clock, ms, name, open, close }: Opening<S>): Promise<S> {
  const work = Promise.resolve().then(open);
  const what = `open of ${name}`;
  return withDeadline(work, { clock, ms, what, late: (state) => closeUnwanted(state, close) });
}

/** Gives back what was opened for somebody who does not wait for it any more. */
export function closeUnwanted<S>(
  state: S,
  close: (state: S) => Promise<void> | void | undefined,
): void {
  void Promise.resolve(state)
    .then(close)
    .catch(() => {});
}

type Closing = {
  readonly clock: Clock;
  readonly log: Log;
  readonly entry: { readonly name: string; readonly timeoutMs: number };
};

/** Closes a plugin, and goes on without it when that never ends. Rejects with what it throws. */
export async function closeInTime(
  { clock, log, entry: { name, timeoutMs } }: Closing,
  close: () => Promise<void> | void | undefined,
): Promise<void> {
  const closed = close();
  if (!(closed instanceof Promise)) return;
  try {
    await withDeadline(closed, { clock, ms: timeoutMs, what: `close of ${name}` });
  } catch (error) {
    if (!isTimeout(error)) throw error;
    log.warn("a plugin does not come to its end; it is left behind", { error });
  }
}
