import { type Clock, systemClock } from "../clock.ts";
import type { Gap, GapStore } from "./store.ts";

/** Gaps that are forgotten with the process. */
export function createMemoryGapStore(clock: Clock = systemClock): GapStore {
  const gaps: Gap[] = [];
  return {
    put(gap) {
      const id = gaps.length + 1;
      gaps.push({ ...gap, id, at: clock.wall() });
      return id;
    },
    list: () => [...gaps],
    count: () => gaps.length,
  };
}
