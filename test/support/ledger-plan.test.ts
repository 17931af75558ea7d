import { describe, expect, test } from "bun:test";
import { type Change, txnChange } from "./ledger.ts";
import { checkLedger, type LedgerReport, type Seen } from "./ledger-checker.ts";
import { applyPlan, changesOf, type LedgerModel, planTransaction } from "./ledger-plan.ts";
import { type Random, seededRandom } from "./random.ts";

/** What a writer commits in so many transactions, with the number of moves among it. */
function committedBy(random: Random, sizes: readonly number[]) {
  const model: LedgerModel = { writer: 1, seq: 0, lastN: new Map(), rows: new Map() };
  const changes: Change[] = [];
  let moves = 0;
  for (const size of sizes) {
    const options = { keys: 200, changesMax: 10_000, rowsOf: () => size };
    const plan = { ...planTransaction(model, random, options), commit: true };
    const logged = changesOf(plan);
    applyPlan(model, plan);
    moves += plan.steps.filter(({ op }) => op === "M").length;
    for (const { op, item, sum } of logged) {
      changes.push({ key: `item:${item.id}`, op, n: Number(item.n), sum });
    }
    changes.push(txnChange(1, plan.seq, logged.length));
  }
  return { changes, moves, model };
}

const sizes = [1, 2, 3_000, 1, 10_000, 40];

describe("the plan of a ledger", () => {
  const { changes, moves, model } = committedBy(seededRandom(7), sizes);

  test("moves rows to other keys, each move a delete and an insert", () => {
    expect(moves).toBeGreaterThan(500);
    const rows = sizes.reduce((sum, size) => sum + size, 0);
    expect(changes.length).toBe(rows + moves + sizes.length);
  });

  test("of each key the numbers grow with every row that is written, over deletes too", () => {
    const last = new Map<string, { readonly n: number; readonly there: boolean }>();
    for (const { key, op, n } of changes) {
      if (!key.startsWith("item:")) continue;
      const before = last.get(key) ?? { n: 0, there: false };
      expect([key, n]).toEqual([key, op === "D" ? before.n : before.n + 1]);
      expect([key, op, before.there]).toEqual([key, op, op !== "I"]);
      last.set(key, { n, there: op !== "D" });
    }
    const there = [...last].filter(([, state]) => state.there).map(([key]) => key);
    expect(there.sort()).toEqual([...model.rows.keys()].map((id) => `item:${id}`).sort());
  });

  test("the same seed plans the same", () => {
    expect(committedBy(seededRandom(7), sizes).changes).toEqual(changes);
  });
});

type Damage = (seen: Seen[], random: Random) => number | undefined;

/** Each does one wrong thing to a stream; undefined where the stream has no place for it. */
const damages: Readonly<Record<string, Damage>> = {
  removed: (seen, random) => seen.splice(random.int(0, seen.length - 1), 1).length,
  doubled: (seen, random) => {
    const at = random.int(0, seen.length - 1);
    return seen.splice(at, 0, seen[at]!).length;
  },
  swapped: (seen, random) => {
    const at = random.int(0, seen.length - 1);
    const other = seen.findIndex(({ key }, index) => index > at && key === seen[at]!.key);
    if (other < 0) return undefined;
    [seen[at], seen[other]] = [seen[other]!, seen[at]!];
    return other;
  },
  changed: (seen, random) => {
    const at = random.int(0, seen.length - 1);
    seen[at] = { ...seen[at]!, intact: false };
    return at;
  },
  "halved, a move without its delete": (seen, random) => {
    const at = random.int(0, seen.length - 1);
    const other = seen.findIndex(({ op }, index) => index >= at && op === "D");
    if (other < 0) return undefined;
    seen.splice(other, 1);
    return other;
  },
};

const wrong = (report: LedgerReport) =>
  ["lost", "strange", "changed", "disordered", "stale"].filter((kind) => {
    return report[kind as "lost"].count > 0;
  });

describe("the checker on what a plan has committed", () => {
  const { changes } = committedBy(seededRandom(11), [5, 800, 1, 2_000, 30]);
  const clean = changes.map((change) => ({ ...change, intact: true }));

  test("passes the stream as it is", () => {
    expect(wrong(checkLedger(changes, clean))).toEqual([]);
  });

  for (const [name, kinds] of [
    ["removed", ["lost"]],
    ["halved, a move without its delete", ["lost"]],
    ["swapped", ["disordered"]],
    ["changed", ["changed"]],
  ] as const) {
    test(`a row that is ${name} is ${kinds[0]}, wherever it stands`, () => {
      for (let seed = 1; seed <= 40; seed++) {
        const seen = [...clean];
        if (damages[name]?.(seen, seededRandom(seed)) === undefined) continue;
        const found = wrong(checkLedger(changes, seen));
        expect([seed, found.includes(kinds[0])]).toEqual([seed, true]);
      }
    });
  }

  test("a row that is doubled is counted, and nothing else is said against it", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const seen = [...clean];
      damages.doubled?.(seen, seededRandom(seed));
      const report = checkLedger(changes, seen);
      expect([seed, report.duplicates, wrong(report)]).toEqual([seed, 1, []]);
    }
  });
});
