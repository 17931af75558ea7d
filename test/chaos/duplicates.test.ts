import { describe, expect, test } from "bun:test";
import { type RepeatsOptions, type Run, repeatsOf, type Written } from "./duplicates.ts";

const run = (startedAt: number, endedAt: number, clean = false): Run => ({
  ...{ startedAt, endedAt, clean },
});
const forEver = Number.POSITIVE_INFINITY;

/** Records `from` to `to`, one each ms from `at` on. */
function written(from: number, to: number, at: number): Written[] {
  return Array.from({ length: to - from + 1 }, (_, index) => ({
    ...{ name: `row ${from + index}`, writtenAt: at + index },
  }));
}

function options(runs: readonly Run[], more: Partial<RepeatsOptions> = {}): RepeatsOptions {
  return { runs, stalls: [], windowRecords: 10, checkpointMs: 100, ...more };
}

const counts = (records: readonly Written[], given: RepeatsOptions) =>
  repeatsOf(records, given).map(({ repeats, most, own }) => [repeats, most, own]);

describe("the bound of what may come twice", () => {
  test("a killed run leaves its window and what came after the last due checkpoint", () => {
    const runs = [run(0, 1_000), run(1_000, forEver)];
    // Written until 999, the last checkpoint was due at 900: 99 records later, and 10 in flight.
    const records = [...written(0, 999, 0), ...written(895, 1_500, 1_000)];
    expect(counts(records, options(runs))).toEqual([
      [0, 0, 0],
      [105, 109, 0],
    ]);
  });

  test("one more than that is too many", () => {
    const runs = [run(0, 1_000), run(1_000, forEver)];
    const records = [...written(0, 999, 0), ...written(890, 1_500, 1_000)];
    expect(counts(records, options(runs))[1]).toEqual([110, 109, 0]);
  });

  test("a clean stop leaves nothing", () => {
    const runs = [run(0, 1_000, true), run(1_000, forEver)];
    const records = [...written(0, 999, 0), ...written(999, 1_500, 1_000)];
    expect(counts(records, options(runs))[1]).toEqual([1, 0, 0]);
  });

  test("one that is stopped before it comes to anything new leaves the rest of what was left", () => {
    const runs = [run(0, 1_000), run(1_000, 1_050, true), run(1_050, forEver)];
    const again = written(910, 940, 1_010);
    const all = (from: number) => [...written(0, 999, 0), ...again, ...written(from, 1_500, 1_050)];
    expect(counts(all(930), options(runs))[2]).toEqual([70, 78, 0]);
    expect(counts(all(910), options(runs))[2]).toEqual([90, 78, 0]);
  });

  test("a run that was killed before its first checkpoint leaves all that there was before", () => {
    const runs = [run(0, 1_000), run(1_000, 1_050), run(1_050, forEver)];
    const records = [
      ...written(0, 999, 0),
      ...written(910, 940, 1_010),
      ...written(910, 1_500, 1_050),
    ];
    expect(counts(records, options(runs))).toEqual([
      [0, 0, 0],
      [31, 109, 0],
      [90, 109, 0],
    ]);
  });

  test("while no checkpoint could be written, nothing of it was safe", () => {
    const runs = [run(0, 1_000), run(1_000, forEver)];
    const records = [...written(0, 999, 0), ...written(700, 1_500, 1_000)];
    const stalls = [{ from: 800, to: 950 }];
    // The last one was due at 700.
    expect(counts(records, options(runs, { stalls }))[1]).toEqual([300, 309, 0]);
    expect(counts(records, options(runs, { stalls: [{ from: 100, to: 200 }] }))[1]?.[1]).toBe(109);
  });

  test("what a run writes twice itself is counted apart", () => {
    const records = [...written(0, 9, 0), ...written(3, 4, 20)];
    expect(counts(records, options([run(0, forEver)]))).toEqual([[0, 0, 2]]);
  });
});
