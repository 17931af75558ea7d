import type { CheckpointKey } from "../checkpoint/store.ts";

/** A piece of a source that was skipped, and why: never silently. */
export type Gap = CheckpointKey & {
  readonly id: number;
  /** Unix milliseconds. */
  readonly at: number;
  /** JSON text of the position that was to be read next; `null` when none was known. */
  readonly from: string;
  /** JSON text of the position from which reading went on. */
  readonly to: string;
  readonly reason: string;
};

export type GapQuery = {
  /** Only those with a greater id. */
  readonly after?: number;
  /** 1000 unless told, which is also the most. */
  readonly limit?: number;
};

/** What a page holds at most. */
export const GAPS_MAX = 1000;

/** Every implementation runs `test/contract/gap-store.ts`. */
export type GapStore = {
  /** Durable when it returns. Throws `STATE_UNWRITABLE`. */
  put(gap: Omit<Gap, "id" | "at">): number;
  /** Oldest first. There may be any number of them: none is ever dropped. */
  list(query?: GapQuery): readonly Gap[];
  count(): number;
};
