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

export type GapStore = {
  /** Durable when it returns. Throws `STATE_UNWRITABLE`. */
  put(gap: Omit<Gap, "id" | "at">): number;
  list(): readonly Gap[];
  count(): number;
};
