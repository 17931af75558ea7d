import type { Runnable, Scheduler } from "#src/actor/scheduler.ts";

/** A scheduler that runs nothing by itself, and picks who is next by a seed. */
export type SeededScheduler = Scheduler & {
  /** Lets one of those that are ready run for a turn; false when nobody is. */
  step(): boolean;
};

export function createSeededScheduler(random: () => number): SeededScheduler {
  const ready: Runnable[] = [];
  return {
    ready: (runnable) => void ready.push(runnable),
    step() {
      if (ready.length === 0) return false;
      const index = Math.floor(random() * ready.length);
      const runnable = ready[index] as Runnable;
      ready[index] = ready.at(-1) as Runnable;
      ready.pop();
      if (runnable.run()) ready.push(runnable);
      return true;
    },
  };
}
