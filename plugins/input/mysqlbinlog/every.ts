import type { Clock, Timer } from "#plugin";

/** Runs something each `ms` milliseconds until it is cancelled. */
export function every(clock: Clock, ms: number, run: () => void): Timer {
  let timer = clock.after(ms, tick);
  function tick() {
    run();
    timer = clock.after(ms, tick);
  }
  return { cancel: () => timer.cancel() };
}
