import { type Clock, systemClock } from "#src/clock.ts";

/** A clock that counts long waits and does not have the patience for them. */
export type HastyClock = Clock & {
  /** The long waits that were asked for, in ms. */
  readonly waits: readonly number[];
};

/**
 * Waits of `fromMs` and more pass in a five hundredth of their time, except those of exactly `exceptMs`,
 * which guard the answer of a server; all others, and what the time is, are real.
 */
export function hastyClock(fromMs: number, exceptMs = 60_000): HastyClock {
  const waits: number[] = [];
  return {
    ...systemClock,
    waits,
    after(ms, run) {
      if (ms < fromMs || ms === exceptMs) return systemClock.after(ms, run);
      waits.push(ms);
      return systemClock.after(ms / 500, run);
    },
  };
}
