import { systemClock } from "../clock.ts";
import { createDeque } from "./deque.ts";
import { runAsNobody } from "./owner.ts";

/** Something with messages to handle: `run` handles some of them and says whether there are more. */
export type Runnable = { run(): boolean };

/** Decides who runs next. A runnable is queued at most once; its owner keeps to that. */
export type Scheduler = { ready(runnable: Runnable): void };

/**
 * Runs what is ready in turn, and gives the event loop back after `budgetMs`: a loop of messages
 * that make messages must not starve timers and sockets.
 */
export function createScheduler(budgetMs = 4): Scheduler {
  const queue = createDeque<Runnable>();
  let scheduled = false;

  function drain() {
    scheduled = false;
    const end = systemClock.now() + budgetMs;
    for (;;) {
      const runnable = queue.shift();
      if (!runnable) return;
      if (runnable.run()) queue.push(runnable);
      if (systemClock.now() >= end) break;
    }
    if (queue.size > 0) schedule();
  }

  const later = () => setImmediate(drain);

  function schedule() {
    if (scheduled) return;
    scheduled = true;
    // Whoever makes it ready may be any actor; what runs then is not that actor's.
    runAsNobody(later);
  }

  return {
    ready(runnable) {
      queue.push(runnable);
      schedule();
    },
  };
}
