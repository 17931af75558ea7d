/** A timer that can be cancelled. Cancelling twice, or after it fired, does nothing. */
export type Timer = { cancel(): void };

/**
 * The only source of time. `now` is monotonic milliseconds (for every timeout and interval),
 * `wall` is Unix milliseconds (data only: timestamps shown to people, never compared for control).
 */
export type Clock = {
  now(): number;
  wall(): number;
  after(ms: number, run: () => void): Timer;
};

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, run) {
    const handle = setTimeout(run, Math.max(0, ms));
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `ms` of the given clock, or at once when `signal` aborts. Never rejects. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = clock.after(ms, done);
    function done() {
      timer.cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done, { once: true });
  });
}
