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
