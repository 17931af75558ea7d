import type { Clock, Timer } from "#src/clock.ts";

/** A clock that stands still until it is told to go. */
export type ManualClock = Clock & {
  /** Moves on by `ms`, firing what is due on the way, in order of time. */
  advance(ms: number): void;
  /** Moves on to the next timer; false when there is none. */
  advanceToNext(): boolean;
  readonly pending: number;
};

type Entry = { readonly at: number; readonly order: number; readonly run: () => void };

export function createManualClock(): ManualClock {
  let now = 0;
  let order = 0;
  const entries = new Set<Entry>();

  function earliest(): Entry | undefined {
    let first: Entry | undefined;
    for (const entry of entries) {
      const sooner = !first || entry.at < first.at;
      if (sooner || (entry.at === first?.at && entry.order < first.order)) first = entry;
    }
    return first;
  }

  function fire(entry: Entry): void {
    entries.delete(entry);
    now = Math.max(now, entry.at);
    entry.run();
  }

  return {
    now: () => now,
    wall: () => 1_700_000_000_000 + now,
    after(ms, run): Timer {
      const entry: Entry = { at: now + Math.max(0, ms), order: order++, run };
      entries.add(entry);
      return { cancel: () => void entries.delete(entry) };
    },
    advance(ms) {
      const end = now + ms;
      for (let next = earliest(); next && next.at <= end; next = earliest()) fire(next);
      now = end;
    },
    advanceToNext() {
      const next = earliest();
      if (!next) return false;
      fire(next);
      return true;
    },
    get pending() {
      return entries.size;
    },
  };
}
