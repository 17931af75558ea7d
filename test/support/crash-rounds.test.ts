import { expect, test } from "bun:test";
import { type Ends, type Killed, repeatsByRun, repeatsMax } from "./crash-rounds.ts";

const record = (at: string, offset: number, name: string) => ({
  ...{ at, offset: BigInt(offset), name },
});
const ends = (a: number, b: number): Ends =>
  new Map([
    ["t/0", BigInt(a)],
    ["t/1", BigInt(b)],
  ]);

test("a repeat counts for the run that wrote it, whatever the order of the partitions", () => {
  const records = [
    ...[record("t/0", 0, "a"), record("t/0", 1, "b"), record("t/0", 2, "b"), record("t/0", 3, "c")],
    ...[record("t/1", 0, "x"), record("t/1", 1, "y"), record("t/1", 2, "x")],
  ];
  // The first run wrote a, b and x; the second b again and y; the third c and x again.
  expect(repeatsByRun(records, [ends(2, 1), ends(3, 2)])).toEqual([0, 1, 1]);
});

test("a repeat within one run counts for that run, and no repeat is none", () => {
  expect(repeatsByRun([record("t/0", 0, "a"), record("t/0", 1, "a")], [ends(2, 0)])).toEqual([
    1, 0,
  ]);
  expect(repeatsByRun([record("t/0", 0, "a"), record("t/0", 1, "b")], [ends(1, 0)])).toEqual([
    0, 0,
  ]);
});

test("what a run may repeat is its window and what came after the last checkpoint", () => {
  const killed = (written: number, covered: number): Killed => ({
    ...{ ends: ends(0, 0), written, covered },
  });
  const kills = [killed(1_000, 900), killed(5, 0), killed(500, 50), killed(500, 300)];
  // The second run wrote nearly nothing and the third was not through with its repeats when its
  // last checkpoint was due: both leave what the first one left, or all that they wrote themselves.
  expect(repeatsMax(kills, [0, 0, 120, 200], 64)).toEqual([164, 164, 500, 264]);
});
