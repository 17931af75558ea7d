import type { Change } from "./ledger.ts";

/** A change as it came out of the bus. */
export type Seen = Change & {
  /** Whether the values that came along give the sum that came along. */
  readonly intact: boolean;
};

export type LedgerReport = {
  readonly committed: number;
  readonly seen: number;
  /** Committed and never seen. */
  readonly lost: Findings;
  /** Seen and never committed: rolled back, invented, or of a wrong key or number. */
  readonly strange: Findings;
  /** Seen with values that are not those that were committed. */
  readonly changed: Findings;
  /** First sightings that came after a later change of the same key. */
  readonly disordered: Findings;
  /** Keys whose last sighting is not their last change: a reader would keep an old row. */
  readonly stale: Findings;
  /** Sightings beyond the first. */
  readonly duplicates: number;
};

/** How many, and the first of them as people read them. */
export type Findings = { readonly count: number; readonly examples: readonly string[] };

/**
 * Holds what was seen against what was committed. Both lists are in order: `committed` as MySQL
 * committed the changes of each key, `seen` as a consumer read them; across keys any order will do.
 */
export function checkLedger(committed: readonly Change[], seen: readonly Seen[]): LedgerReport {
  const keys = new Map<string, KeyState>();
  const expected = new Map<string, { readonly change: Change; readonly place: number }>();
  for (const change of committed) {
    const state = stateOf(keys, change.key);
    if (expected.has(nameOf(change))) throw new Error(`committed twice: ${nameOf(change)}`);
    expected.set(nameOf(change), { change, place: state.length++ });
  }
  const lost = findings();
  const strange = findings();
  const changed = findings();
  const disordered = findings();
  const stale = findings();
  const met = new Set<string>();
  let duplicates = 0;
  for (const sighting of seen) {
    const name = nameOf(sighting);
    const entry = expected.get(name);
    if (entry === undefined) {
      strange.add(name);
      continue;
    }
    if (!sighting.intact || sighting.sum !== entry.change.sum) changed.add(name);
    const state = stateOf(keys, sighting.key);
    state.lastSeen = entry.place;
    if (met.has(name)) {
      duplicates++;
      continue;
    }
    met.add(name);
    if (entry.place < state.furthest) disordered.add(name);
    else state.furthest = entry.place;
  }
  for (const [name] of expected) if (!met.has(name)) lost.add(name);
  for (const [key, state] of keys) {
    if (state.lastSeen !== -1 && state.lastSeen !== state.length - 1) stale.add(key);
  }
  const counts = { committed: committed.length, seen: seen.length, duplicates };
  return {
    ...counts,
    lost: lost.found(),
    strange: strange.found(),
    changed: changed.found(),
    disordered: disordered.found(),
    stale: stale.found(),
  };
}

type KeyState = {
  /** Changes committed. */
  length: number;
  /** The place of the furthest change that was seen. */
  furthest: number;
  /** The place of the change that was seen last. */
  lastSeen: number;
};

function stateOf(keys: Map<string, KeyState>, key: string): KeyState {
  const known = keys.get(key);
  if (known !== undefined) return known;
  const fresh = { length: 0, furthest: -1, lastSeen: -1 };
  keys.set(key, fresh);
  return fresh;
}

function nameOf(change: Change): string {
  return `${change.key} ${change.op} ${change.n}`;
}

const examplesMax = 10;

export function findings(): { add(example: string): void; found(): Findings } {
  const examples: string[] = [];
  let count = 0;
  return {
    add: (example) => {
      count++;
      if (examples.length < examplesMax) examples.push(example);
    },
    found: () => ({ count, examples }),
  };
}

/** The report in one line, with examples where something is wrong. */
export function reportText(report: LedgerReport): string {
  const kinds = ["lost", "strange", "changed", "disordered", "stale"] as const;
  const parts = kinds.map((kind) => {
    const { count, examples } = report[kind];
    return count === 0 ? `${kind} 0` : `${kind} ${count} (${examples.join("; ")})`;
  });
  const { committed, seen, duplicates } = report;
  return `${committed} committed, ${seen} seen, ${duplicates} twice, ${parts.join(", ")}`;
}
