import type { Clock, Timer } from "#src/clock.ts";

type Entry = { readonly at: number; readonly order: number; readonly run: () => void };

/** True time of a simulated world: a heap of what is to happen, in order. */
export type SimClock = {
  readonly now: number;
  at(time: number, run: () => void): Timer;
  /** Moves on to what comes next; to `end`, and false, when there is nothing before it. */
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
        if (next === undefined || next.at > end) {
          now = Math.max(now, end);
          return false;
        }
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
  /** The process stands still, all of it. */
  stop(): void;
  go(): void;
  /** Its event loop does something else and comes to nothing; its heart beats. */
  busy(): void;
  idle(): void;
  /** Nothing of it ever happens again. */
  kill(): void;
  jumpWall(ms: number): void;
  /** Runs `work` now, or as soon as the process comes to it. */
  deliver(work: () => void): void;
  /** Like `deliver` for what does not wait for the event loop. */
  heart(work: () => void): void;
};

export function createProcessClock(world: SimClock, rate: number): ProcessClock {
  const born = world.now;
  let stopped = false;
  let busy = false;
  let dead = false;
  let wallOffset = 0;
  const held: (() => void)[] = [];
  const beats: (() => void)[] = [];
  const now = () => (world.now - born) * rate;

  function deliver(work: () => void): void {
    if (dead) return;
    if (stopped || busy) held.push(work);
    else work();
  }

  function heart(work: () => void): void {
    if (dead) return;
    if (stopped) beats.push(work);
    else work();
  }

  function goOn(): void {
    if (stopped) return;
    for (const work of beats.splice(0)) world.at(world.now, () => heart(work));
    if (busy) return;
    for (const work of held.splice(0)) world.at(world.now, () => deliver(work));
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
    heart,
    stop() {
      stopped = true;
    },
    go() {
      stopped = false;
      goOn();
    },
    busy() {
      busy = true;
    },
    idle() {
      busy = false;
      goOn();
    },
    kill() {
      dead = true;
    },
    jumpWall(ms) {
      wallOffset += ms;
    },
  };
}
