import { backoffDelay } from "#src/actor/backoff.ts";
import type { Clock, Timer } from "#src/clock.ts";
import { type DbusError, toDbusError } from "#src/errors.ts";

/**
 * Work that looks at everything anew each time, one run after the other. `poke` may be called at
 * any time and any number of times: there is a run that begins after it.
 */
export type Reconciler = {
  poke(): void;
  /** Never runs again; one that is under way ends by itself and changes nothing more. */
  stop(): void;
  readonly stopped: boolean;
};

export type ReconcilerOptions = {
  readonly clock: Clock;
  readonly random: () => number;
  readonly run: () => Promise<void>;
  /** Waits so long after a poke, so that what changes together is seen together. */
  readonly debounceMs: number;
  /** Runs at least so often, for what nobody told. */
  readonly everyMs: number;
  /** Whether to try again; false ends it. */
  readonly onError: (error: DbusError) => boolean;
};

const retryBackoff = { minMs: 50, maxMs: 2_000, randomFactor: 0.5 };

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const { clock, random, debounceMs, everyMs } = options;
  let timer: Timer | undefined;
  let dueAt = Number.POSITIVE_INFINITY;
  let running = false;
  let poked = false;
  let stopped = false;
  let failures = 0;

  function runIn(ms: number): void {
    const at = clock.now() + ms;
    if (stopped || at >= dueAt) return;
    timer?.cancel();
    dueAt = at;
    // In this turn, where nothing is to be waited for: a process that runs alone waits for nobody.
    if (ms <= 0) queueMicrotask(() => void run());
    else timer = clock.after(ms, () => void run());
  }

  async function run(): Promise<void> {
    timer = undefined;
    dueAt = Number.POSITIVE_INFINITY;
    if (stopped) return;
    if (running) {
      poked = true;
      return;
    }
    running = true;
    poked = false;
    let waitMs = everyMs;
    try {
      await options.run();
      failures = 0;
    } catch (thrown) {
      if (stopped) return;
      if (!options.onError(toDbusError(thrown))) {
        stop();
        return;
      }
      waitMs = backoffDelay(retryBackoff, failures++, random);
    } finally {
      running = false;
    }
    runIn(poked ? Math.min(debounceMs, waitMs) : waitMs);
  }

  function stop(): void {
    stopped = true;
    timer?.cancel();
  }

  return {
    stop,
    get stopped() {
      return stopped;
    },
    poke() {
      if (running) poked = true;
      else runIn(debounceMs);
    },
  };
}
