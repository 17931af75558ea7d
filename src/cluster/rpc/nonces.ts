import type { Clock } from "#src/clock.ts";

/** How far the clocks of two participants may be apart. */
export const skewMs = 60_000;

/** What a call with that time and nonce is: new, out of time, seen before, or one too many. */
export type Freshness = "fresh" | "stale" | "replayed" | "full";

export type Nonces = {
  /** Remembers what is fresh. Only for calls whose signature is right: others take no room. */
  take(nonce: string, time: number): Freshness;
  readonly size: number;
};

/**
 * Remembers calls for as long as their time would let them in again. When it cannot remember more
 * it refuses rather than forgets. The wall clock is what a call can be compared with, and it may
 * jump: so nothing is let in that is older than what was forgotten, nor than this process, whose
 * predecessor has taken its memory along.
 */
export function createNonces(clock: Clock, max = 65_536): Nonces {
  const seen = new Map<string, number>();
  let floor = clock.wall() - 1;

  /** In the order in which they came, which is about the order of their times. */
  function forget(): void {
    const until = clock.wall() - skewMs;
    for (const [nonce, time] of seen) {
      if (time >= until) return;
      seen.delete(nonce);
      floor = Math.max(floor, time);
    }
  }

  return {
    take(nonce, time) {
      forget();
      if (Math.abs(clock.wall() - time) > skewMs || time <= floor) return "stale";
      if (seen.has(nonce)) return "replayed";
      if (seen.size >= max) return "full";
      seen.set(nonce, time);
      return "fresh";
    },
    get size() {
      return seen.size;
    },
  };
}
