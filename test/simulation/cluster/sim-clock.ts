import type { Clock, Timer } from "#src/clock.ts";

type Entry = { readonly at: number; readonly order: number; readonly run: () => void };

/** True time of a simulated world: a heap of what is to happen, in order. */
export type SimClock = {
  readonly now: number;
  at(time: number, run: () => void): Timer;
  /** Moves on to what comes next; false when there is nothing, or only after `end`. */
  step(end: number): boolean;
};

export function createSimClock(): SimClock {
  const heap: (Entry & { dead?: boolean })[] = [];
  let now = 0;
  let order = 0;

  const before = (a: Entry, b: Entry) => a.at < b.at || (a.at === b.at && a.order < b.order);

  function push(entry: Entry): void {
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (!before(heap[i]!, heap[up]!)) break;
      [heap[i], heap[up]] = [heap[up]!, heap[i]!];
      i = up;
    }
  }

  function pop(): (Entry & { dead?: boolean }) | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    let i = 0;
    for (;;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && before(heap[child]!, heap[least]!)) least = child;
      }
      if (least === i) return first;
      [heap[i], heap[least]] = [heap[least]!, heap[i]!];
      i = least;
    }
  }

  return {
    get now() {
      return now;
    },
    at(time, run) {
      const entry: Entry & { dead?: boolean } = { at: Math.max(now, time), order: order++, run };
      push(entry);
      return {
        cancel() {
          entry.dead = true;
        },
      };
    },
    step(end) {
      for (;;) {
        const next = heap[0];
        if (next === undefined || next.at > end) return false;
        pop();
        if (next.dead) continue;
        now = next.at;
        next.run();
        return true;
      }
    },
  };
}

/** The clock of one process: it drifts, its wall jumps, and nothing happens while it is stopped. */
export type ProcessClock = Clock & {
  stop(): void;
  go(): void;
  /** Nothing of it ever happens again. */
  kill(): void;
  jumpWall(ms: number): void;
  /** Runs `work` now, or as soon as the process goes on. */
  deliver(work: () => void): void;
};

export function createProcessClock(world: SimClock, rate: number): ProcessClock {
  const born = world.now;
  let stopped = false;
  let dead = false;
  let wallOffset = 0;
  const held: (() => void)[] = [];
  const now = () => (world.now - born) * rate;

  function deliver(work: () => void): void {
    if (dead) return;
    if (stopped) held.push(work);
    else work();
  }

  return {
    now,
    wall: () => 1_700_000_000_000 + born + now() + wallOffset,
    after(ms, run) {
      let cancelled = false;
      const timer = world.at(world.now + Math.max(0, ms) / rate, () => {
        deliver(() => {
          if (!cancelled) run();
        });
      });
      return {
        cancel() {
          cancelled = true;
          timer.cancel();
        },
      };
    },
    deliver,
    stop() {
      stopped = true;
    },
    go() {
      stopped = false;
      for (const work of held.splice(0)) world.at(world.now, () => deliver(work));
    },
    kill() {
      dead = true;
    },
    jumpWall(ms) {
      wallOffset += ms;
    },
  };
}
