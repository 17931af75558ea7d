/**
 * Which actor's turn it is, in memory that a watchdog in another thread may read while this one
 * stands still: its number while it runs, the same below zero when it was the last that did.
 */
export type Turns = {
  readonly memory: Int32Array;
  /** A number for an actor, above zero; the watchdog is told which path it stands for. */
  number(path: string): number;
};

/** Turns that nobody watches. */
export function unwatchedTurns(): Turns {
  let last = 0;
  return { memory: new Int32Array(1), number: () => ++last };
}
