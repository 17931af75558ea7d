/** Anything that survives JSON. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [k: string]: Json };

/**
 * Where a packet came from, and from where its input goes on once that packet is settled. The bus
 * never looks inside: it keeps it, and writes `JSON.stringify` of it into the checkpoint. An input
 * whose position is costly to spell out gives it a `toJSON`, which is called once per commit.
 */
export type Position = number | string | object;

/**
 * Below 0 where `a` comes before `b` in one partition of a source, 0 where they are the same, above
 * 0 where it comes behind; undefined where nobody can tell, as of another server's binlogs. Both may
 * be positions as they are emitted, or what `JSON` made of them.
 */
export type ComparePositions = (a: Position, b: Position) => number | undefined;
