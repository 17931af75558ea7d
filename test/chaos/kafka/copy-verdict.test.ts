import { describe, expect, test } from "bun:test";
import { type Random, seededRandom } from "../../support/random.ts";
import type { Verdict } from "../verdict.ts";
import { type CopyOptions, type CopyRecord, copyVerdict } from "./copy-verdict.ts";
import { expectedOf } from "./expected.ts";
import { type SeenRecord, seenRecord } from "./records.ts";
import { numberedMessages } from "./workload.ts";

const partitions = 3;
const filter = { kind: "route", digit: 4 } as const;

/** What writers made, a record a millisecond, as a topic holds it. */
function sourceRecords(): SeenRecord[] {
  const random = seededRandom(11);
  const next = numberedMessages("1", random, { keys: 40, padMax: 30, nullKeys: true });
  const ends = Array.from({ length: partitions }, () => 0);
  const bytes = (text: string | Buffer | null | undefined) =>
    text === null || text === undefined ? null : Buffer.from(text as string);
  return Array.from({ length: 400 }, (_, at) => {
    const { key, value, headers, timestamp } = next();
    const partition = key === null ? at % partitions : Number(Bun.hash(`${key}`) % 3n);
    const offset = BigInt(ends[partition] ?? 0);
    ends[partition] = Number(offset) + 1;
    const place = { topic: "n.t0", partition, offset, timestamp: Number(timestamp) };
    return seenRecord({
      ...place,
      key: bytes(key),
      value: bytes(value),
      headers: headers as never,
    });
  });
}

const source = sourceRecords();
const expected = expectedOf({ filter }, "n", {
  aborted: new Set(["1-50"]),
  isBefore: ({ offset }) => offset < 5,
});

/** The copy as dbus is to make it, written a record a millisecond from 1,000 on. */
function goodCopy(): CopyRecord[] {
  const ends = new Map<number, number>();
  return source.flatMap((record, at) => {
    const to = expected(record);
    if (to === undefined) return [];
    const offset = ends.get(record.partition) ?? 0;
    ends.set(record.partition, offset + 1);
    const headers = ["dbus-id=x", ...record.headers];
    const written = { from: 1_000 + at, until: 1_001 + at };
    return [{ ...record, topic: to.sink, offset, value: to.value, headers, ...written }];
  });
}

const run = (startedAt: number, endedAt: number, clean = false) => ({ startedAt, endedAt, clean });
const jumps = (runs = [run(0, Number.POSITIVE_INFINITY)]) =>
  ({ by: "jumps", runs, stalls: [], windowRecords: 5, checkpointMs: 20 }) as const;
const options: CopyOptions = {
  ...{ samePartition: true, lastIsNewest: true, expect: expected, bound: jumps() },
  unsure: new Set(),
};

const judge = (copy: readonly CopyRecord[], more: Partial<CopyOptions> = {}) =>
  copyVerdict(source, copy, { ...options, ...more });
const counts = ({ lost, corrupted, reordered, duplicated }: Verdict) => ({
  ...{ lost, corrupted, reordered, duplicated },
});
const clean = { lost: 0, corrupted: 0, reordered: 0, duplicated: 0 };

/** Eight copies with one wrong thing each, which the verdict must name. */
function each(damage: (copy: CopyRecord[], random: Random) => void): Verdict[] {
  return Array.from({ length: 8 }, (_, seed) => {
    const copy = goodCopy();
    damage(copy, seededRandom(seed));
    const verdict = judge(copy);
    expect(verdict.problems).not.toEqual([]);
    return verdict;
  });
}

const pickOf = (copy: readonly CopyRecord[], random: Random) => random.int(0, copy.length - 1);

describe("the verdict on a copy of a topic", () => {
  test("is that nothing is wrong with what dbus is to make", () => {
    const copy = goodCopy();
    const verdict = judge(copy);
    expect([verdict.problems, counts(verdict)]).toEqual([[], clean]);
    expect(verdict.committed).toBe(copy.length);
    expect(copy.length).toBeLessThan(source.length - 15);
    expect(copy.some(({ value }) => value === null)).toBe(true);
    expect(copy.some(({ key }) => key === null)).toBe(true);
  });

  test("is lost when a record is removed, a tombstone as well", () => {
    for (const verdict of each((copy, random) => copy.splice(pickOf(copy, random), 1))) {
      expect(verdict.lost).toBe(1);
    }
    for (const verdict of each((copy) => {
      copy.splice(
        copy.findIndex(({ value }) => value === null),
        1,
      );
    })) {
      expect(verdict.lost).toBe(1);
    }
  });

  test("is twice, and within a run, when a record is doubled", () => {
    const verdicts = each((copy, random) => {
      const at = pickOf(copy, random);
      copy.splice(at, 0, copy[at]!);
    });
    for (const verdict of verdicts) {
      expect(counts(verdict)).toEqual({ ...clean, duplicated: 1 });
      expect(verdict.problems[0]).toContain("within a run");
    }
  });

  test("is reordered when two records of a partition are swapped", () => {
    const verdicts = each((copy, random) => {
      const at = random.int(0, copy.length - 10);
      const next = copy.findIndex(
        ({ partition }, other) => other > at && partition === copy[at]!.partition,
      );
      [copy[at], copy[next]] = [copy[next]!, copy[at]!];
    });
    for (const verdict of verdicts) expect(verdict.reordered).toBeGreaterThan(0);
  });

  test("is corrupted when key, value, header, time, partition or topic are not what they were", () => {
    const damages: readonly ((record: CopyRecord) => Partial<CopyRecord>)[] = [
      ({ key }) => ({ key: `${key}x` }),
      ({ value }) => ({ value: value === null ? "" : `${value} ` }),
      ({ value }) => ({ value: value === null ? "null" : null }),
      ({ timestamp }) => ({ timestamp: timestamp + 1 }),
      ({ headers }) => ({ headers: headers.map((one) => one.replace("trace=", "trace=x")) }),
      ({ headers }) => ({ headers: headers.filter((one) => !one.startsWith("trace")) }),
      ({ headers }) => ({ headers: [...headers, "more=1"] }),
      () => ({ topic: "elsewhere" }),
      ({ partition }) => ({ partition: (partition + 1) % partitions }),
    ];
    for (const damage of damages) {
      const verdicts = each((copy, random) => {
        const at = pickOf(copy, random);
        copy[at] = { ...copy[at]!, ...damage(copy[at]!) };
      });
      for (const verdict of verdicts) expect([damage, verdict.corrupted]).toEqual([damage, 1]);
    }
  });

  test("is corrupted when something comes that was aborted, dropped by the filter, or of before", () => {
    const dropped = source.filter((record) => expected(record) === undefined);
    const aborted = { ...goodCopy()[0]!, name: "1-9999" };
    for (const [at, record] of [aborted, dropped.at(-1)!, dropped[0]!].entries()) {
      const copy = goodCopy();
      copy.push({ ...record, topic: "n-to.kept.n.t0", from: 5_000, until: 5_001 });
      expect([at, counts(judge(copy))]).toEqual([at, { ...clean, corrupted: 1 }]);
    }
  });

  test("is stale when the last record of a key is an old one, unless members may be late", () => {
    const copy = goodCopy();
    const [first] = copy.filter(
      ({ key }, at) => key !== null && copy.some((other, later) => later > at && other.key === key),
    );
    copy.push({ ...first!, from: 3_000, until: 3_001 });
    const killed = { bound: jumps([run(0, 2_000), run(2_000, Number.POSITIVE_INFINITY)]) };
    expect(judge(copy, killed).problems.join()).toContain("1 stale");
    expect(judge(copy, { ...killed, lastIsNewest: false }).reordered).toBe(0);
  });
});

test("a record of a transaction of which nobody knows the end may be there or not", () => {
  const copy = goodCopy();
  const [{ name } = { name: "" }] = copy.splice(-1);
  expect(judge(copy).lost).toBe(1);
  const unsure = { unsure: new Set([name]) };
  expect(judge(copy, unsure).problems).toEqual([]);
  expect(judge(goodCopy(), unsure).problems).toEqual([]);
});

describe("what may come twice", () => {
  /** Killed at 1,200 and started again, which repeats the last records of one partition. */
  function killed(repeated: number, isClean = false): Verdict {
    const before = goodCopy().filter(({ from }) => from < 1_200);
    const own = before.filter(({ partition }) => partition === 0).slice(-repeated);
    const after = goodCopy().filter(({ from }) => from >= 1_200);
    const again = own.map((record) => ({ ...record, from: 1_300, until: 1_301 }));
    const later = after.map((record) => ({
      ...{ ...record, from: record.from + 200, until: record.until + 200 },
    }));
    const runs = [run(0, 1_210, isClean), run(1_210, Number.POSITIVE_INFINITY)];
    return judge([...before, ...again, ...later], { bound: jumps(runs) });
  }

  test("what was in flight and written since the last due checkpoint may, and no more", () => {
    // Until 1,190 all was covered: what came in the ten milliseconds after, and five in flight.
    const most = killed(1).runs[0]?.most ?? 0;
    expect(most).toBeWithin(6, 12);
    expect(counts(killed(most))).toEqual({ ...clean, duplicated: most });
    expect(killed(most).problems).toEqual([]);
    expect(killed(most + 1).problems.join()).toContain(`repeats ${most + 1}, at most ${most}`);
  });

  test("nothing may after a clean stop", () => {
    expect(killed(1, true).problems.join()).toContain("repeats 1, at most 0");
  });

  test("of members that take over from one another all together is bounded", () => {
    const sum = (windowRecords: number) =>
      ({
        by: "sum",
        starts: 1,
        disturbances: 1,
        members: 1,
        windowRecords,
        unknownMs: 10,
      }) as const;
    const copy = [...goodCopy(), ...goodCopy()];
    const bounded = (windowRecords: number) =>
      judge(copy, { lastIsNewest: false, bound: sum(windowRecords) }).problems;
    expect(bounded(1_000)).toEqual([]);
    expect(bounded(1).join()).toContain("came twice, at most");
  });
});
