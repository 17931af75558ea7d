import { describe, expect, test } from "bun:test";
import type { Change } from "./ledger.ts";
import { checkLedger, type LedgerReport, reportText, type Seen } from "./ledger-checker.ts";
import { seededRandom } from "./random.ts";

const keys = ["item:1", "item:2", "item:3"];

/** Twenty changes of each of three keys: an insert, then updates, each fourth one a delete. */
function committedChanges(): Change[] {
  const changes: Change[] = [];
  for (let n = 1; n <= 20; n++) {
    for (const key of keys) {
      const op = n === 1 || n % 4 === 1 ? "I" : n % 4 === 0 ? "D" : "U";
      changes.push({ key, op, n, sum: `${key}/${n}` });
    }
  }
  return changes;
}

function sightings(changes: readonly Change[]): Seen[] {
  return changes.map((change) => ({ ...change, intact: true }));
}

function counts(report: LedgerReport): Record<string, number> {
  const { lost, strange, changed, disordered, stale, duplicates } = report;
  return {
    ...{ lost: lost.count, strange: strange.count, changed: changed.count },
    ...{ disordered: disordered.count, stale: stale.count, duplicates },
  };
}

const clean = { lost: 0, strange: 0, changed: 0, disordered: 0, stale: 0, duplicates: 0 };

describe("the ledger's checker", () => {
  test("finds nothing in a stream that holds each change once and in order", () => {
    const committed = committedChanges();
    expect(counts(checkLedger(committed, sightings(committed)))).toEqual(clean);
  });

  test("finds nothing when only changes of different keys are interleaved otherwise", () => {
    const committed = committedChanges();
    const byKey = keys.flatMap((key) => committed.filter((change) => change.key === key));
    expect(counts(checkLedger(committed, sightings(byKey)))).toEqual(clean);
  });

  test("any one change that is removed is lost", () => {
    const committed = committedChanges();
    for (let at = 0; at < committed.length; at++) {
      const seen = sightings(committed).toSpliced(at, 1);
      const report = checkLedger(committed, seen);
      expect(report.lost.count).toBe(1);
      expect(reportText(report)).toContain("lost 1 (");
    }
  });

  test("a key that was never seen at all is lost whole", () => {
    const committed = committedChanges();
    const seen = sightings(committed).filter((change) => change.key !== "item:2");
    expect(counts(checkLedger(committed, seen))).toEqual({ ...clean, lost: 20 });
  });

  test("a replay of the last changes is counted as duplicates and is no disorder", () => {
    const committed = committedChanges();
    const seen = sightings(committed);
    const replayed = [...seen.slice(0, 40), ...seen.slice(25)];
    expect(counts(checkLedger(committed, replayed))).toEqual({ ...clean, duplicates: 15 });
  });

  test("an old change that comes once more at the end is a duplicate and leaves an old row", () => {
    const committed = committedChanges();
    const seen = sightings(committed);
    const report = checkLedger(committed, [...seen, seen[0]!]);
    expect(counts(report)).toEqual({ ...clean, duplicates: 1, stale: 1 });
  });

  test("two changes of one key that are swapped are out of order", () => {
    const committed = committedChanges();
    for (let at = 0; at + keys.length < committed.length; at++) {
      const seen = sightings(committed);
      [seen[at], seen[at + keys.length]] = [seen[at + keys.length]!, seen[at]!];
      expect(checkLedger(committed, seen).disordered.count).toBe(1);
    }
  });

  test("a value that does not fit its sum, and a sum that is not the committed one, are changed", () => {
    const committed = committedChanges();
    const torn = sightings(committed);
    torn[7] = { ...torn[7]!, intact: false };
    expect(counts(checkLedger(committed, torn))).toEqual({ ...clean, changed: 1 });
    const swapped = sightings(committed);
    swapped[7] = { ...swapped[7]!, sum: swapped[8]!.sum };
    expect(counts(checkLedger(committed, swapped))).toEqual({ ...clean, changed: 1 });
  });

  test("what was rolled back or invented is strange, and hides nothing that is lost", () => {
    const committed = committedChanges();
    const seen = sightings(committed);
    seen[5] = { ...seen[5]!, n: 99 };
    expect(counts(checkLedger(committed, seen))).toEqual({ ...clean, strange: 1, lost: 1 });
    seen[5] = { ...seen[5]!, n: committed[5]!.n, op: "D" };
    expect(counts(checkLedger(committed, seen))).toEqual({ ...clean, strange: 1, lost: 1 });
  });

  test("a hundred random streams with one fault each never pass as clean", () => {
    const committed = committedChanges();
    for (let seed = 1; seed <= 100; seed++) {
      const random = seededRandom(seed);
      const seen = sightings(committed);
      const at = random.int(0, seen.length - 1 - keys.length);
      const faults: Record<string, () => void> = {
        removed: () => seen.splice(at, 1),
        doubled: () => seen.splice(at, 0, seen[at]!),
        swapped: () => seen.splice(at, 4, seen[at + 3]!, seen[at + 1]!, seen[at + 2]!, seen[at]!),
        changed: () => seen.splice(at, 1, { ...seen[at]!, intact: false }),
      };
      const fault = random.pick(Object.keys(faults));
      faults[fault]?.();
      expect([seed, fault, counts(checkLedger(committed, seen))]).not.toEqual([seed, fault, clean]);
    }
  });
});
