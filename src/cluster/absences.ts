import type { Clock } from "#src/clock.ts";
import type { Census } from "./census.ts";
import type { ResourceState } from "./observe.ts";

/** Participants that have just vanished, and may be coming back. */
export type Absences = {
  /** Resources that wait for the return of their owner, and are given to nobody meanwhile. */
  of(census: Census, states: ReadonlyMap<string, ResourceState>): ReadonlySet<string>;
};

/** `over` is called when a wait has run out, so that somebody looks again. */
export function createAbsences(clock: Clock, delayMs: number, over: () => void): Absences {
  /** Since when each of them is missed here. */
  const since = new Map<string, number>();
  return {
    of({ participants, resources }, states) {
      const waiting = new Set<string>();
      if (delayMs === 0) return waiting;
      for (const pid of since.keys()) if (participants.has(pid)) since.delete(pid);
      for (const { rid, assign } of resources) {
        const { owner } = assign.record;
        if (states.get(rid) !== "lost" || owner === null || participants.has(owner)) continue;
        if (!since.has(owner)) {
          since.set(owner, clock.now());
          clock.after(delayMs, over);
        }
        if (clock.now() - (since.get(owner) ?? 0) < delayMs) waiting.add(rid);
      }
      return waiting;
    },
  };
}
