import type { Self } from "#src/actor/actor.ts";
import type { Timer } from "#src/clock.ts";
import type { OutputEntry } from "#src/config/config.ts";
import type { BatchQueue } from "#src/flow/batch.ts";
import type { Delivery } from "#src/flow/delivery.ts";
import type { OutputMessage } from "./protocol.ts";

/** An output whose packets do not fill a batch and may wait for others. */
export type Lingering = {
  readonly entry: OutputEntry;
  readonly queue: BatchQueue;
  /** Runs while a batch may still fill up, or until it may be tried again. */
  timer: Timer | undefined;
  /** The same one, when it was set because nothing more can come. */
  hasty: Timer | undefined;
};

/** What is on its way already comes in this time, in milliseconds. */
const HURRY_MS = 1;

/** Whether what waits is to be written without waiting for more. */
export function isDue({ entry: { batch: policy }, queue }: Lingering): boolean {
  return policy.lingerMs === 0 || queue.isFull(policy);
}

/**
 * Waits for more, for the linger time at most. Whoever sends may be out of credit, or its window
 * spent by packets that wait here: then nothing comes before something is settled, and waiting for
 * it would be waiting for oneself. `came` is what is new since the last call; without it all counts.
 */
export function linger(state: Lingering, self: Self<OutputMessage>, came?: Delivery): void {
  const { queue, entry } = state;
  state.timer ??= self.after(entry.batch.lingerMs, { kind: "flush" });
  if (came ? noMoreOf(came) : queue.some(noMoreOf)) hurry(state, self);
}

/** Whoever waited goes on now. */
export function endTimer(state: Lingering): void {
  state.timer?.cancel();
  state.timer = undefined;
}

const noMoreOf = ({ edge, partition }: Delivery): boolean => edge.lingers(partition);

/** Nothing more can come to what lingers. */
export function hurry(state: Lingering, self: Self<OutputMessage>): void {
  const { timer, hasty, entry } = state;
  if (!timer || timer === hasty) return;
  timer.cancel();
  state.timer = self.after(Math.min(HURRY_MS, entry.batch.lingerMs), { kind: "flush" });
  state.hasty = state.timer;
}
