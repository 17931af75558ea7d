import { type Clock, systemClock } from "../clock.ts";
import { GAPS_MAX, type Gap, type GapStore } from "./store.ts";

/** Gaps that are forgotten with the process. */
export function createMemoryGapStore(clock: Clock = systemClock): GapStore {
  const gaps: Gap[] = [];
  return {
    put(gap) {
      const id = gaps.length + 1;
      gaps.push({ ...gap, id, at: clock.wall() });
      return id;
    },
    list: ({ after = 0, limit = GAPS_MAX } = {}) =>
      gaps.filter(({ id }) => id > after).slice(0, Math.max(1, Math.min(limit, GAPS_MAX))),
    count: () => gaps.length,
  };
}
