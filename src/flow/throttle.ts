/** How long a source or a sink has had us wait by its quota: back-pressure, and no failure. */
export type Throttle = {
  /** All the time that was asked for, where several wait at once counted once. */
  throttledMs: number;
  /** Monotonic milliseconds. */
  throttledUntil: number;
};

/** Between two answers that ask for it a status must not flicker. */
const lingerMs = 2_000;

export const noThrottle = (): Throttle => ({
  throttledMs: 0,
  throttledUntil: Number.NEGATIVE_INFINITY,
});

/** Counts `ms` of quiet from `now` on. True when it begins, and had not for a minute. */
export function noteThrottle(throttle: Throttle, ms: number, now: number): boolean {
  const before = throttle.throttledUntil;
  throttle.throttledUntil = Math.max(before, now + ms);
  throttle.throttledMs += throttle.throttledUntil - Math.max(before, now);
  return before < now - 60_000;
}

/** How long it has waited until now. */
export function throttledMs(throttle: Throttle, now: number): number {
  return throttle.throttledMs - Math.max(0, throttle.throttledUntil - now);
}

/** What a status says of it when it has nothing worse to say. */
export function throttleNote({ throttledUntil }: Throttle, now: number): string | null {
  if (throttledUntil + lingerMs < now) return null;
  return "throttled: a quota of the server has it wait";
}
