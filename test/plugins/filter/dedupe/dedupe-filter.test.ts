import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { dedupeFilter } from "#plugins/filter/dedupe/dedupe-filter.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { fakeFilterContext } from "../../../support/fake-context.ts";
import { changeOf, documentOf, tableOf } from "../../../support/field-packets.ts";
import { createManualClock } from "../../../support/manual-clock.ts";
import { packetsOf, runFilter } from "../../../support/run-filter.ts";

const of = (id: unknown) => documentOf(JSON.stringify({ id }));

describe("contract", () =>
  filterPluginContract(dedupeFilter, { config: { by: "row.id" }, packets: [of(1), of(1), of(2)] }));

const passes = async (config: object, ids: readonly unknown[]) =>
  (await runFilter(dedupeFilter, { by: "row.id", ...config }, ids.map(of))).map((p) => p.length);

test("the first of a key passes, the others do not", async () => {
  expect(await passes({}, [1, 2, 1, "1", 1.5, 2, "1"])).toEqual([1, 1, 0, 1, 1, 0, 0]);
  const long = "x".repeat(1_000);
  expect(await passes({}, [long, `${long}y`, long])).toEqual([1, 1, 0]);
});

test("it never drops the first of a key, and remembers as many as it is told", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 6 })),
      fc.integer({ min: 1, max: 4 }),
      async (ids, countMax) => {
        const expected: number[] = [];
        let seen: number[] = [];
        for (const id of ids) {
          expected.push(seen.includes(id) ? 0 : 1);
          if (!seen.includes(id)) seen = [...seen, id].slice(-countMax);
        }
        expect(await passes({ countMax }, ids)).toEqual(expected);
      },
    ),
    { numRuns: 50 },
  );
});

test("the first of a key passes again when it is read again, and its doubles do not", async () => {
  const table = tableOf("shop.orders", "id bigint!");
  const rows = [1n, 2n, 1n, 1n].map((id, ordinal) => changeOf(table, { after: [id] }, { ordinal }));
  const records = [1, 2, 1, 1].map((id, offset) => ({
    ...of(id),
    position: { topicId: "t", partition: 0, offset },
  }));
  for (const all of [rows, records]) {
    const became = await runFilter(dedupeFilter, { by: "row.id" }, [...all, ...all.slice(1)]);
    expect(became.map((one) => one.length)).toEqual([1, 1, 0, 0, 1, 0, 0]);
  }
});

test("numbers of any type are told apart", async () => {
  for (const by of ["uint(row.id)", "[uint(row.id)]", "duration(string(row.id) + 's')"]) {
    expect([by, await passes({ by }, [1, 2, 1])]).toEqual([by, [1, 1, 0]]);
  }
});

test("after its time a key passes again", async () => {
  const clock = createManualClock();
  const { context } = fakeFilterContext({ clock });
  const config = dedupeFilter.configSchema.parse({ by: "row.id", ttlMs: 1_000 });
  const state = await dedupeFilter.open(context, config);
  const count = async () => packetsOf(await dedupeFilter.apply(state, of(1), context)).length;
  expect([await count(), await count()]).toEqual([1, 0]);
  clock.advance(1_000);
  expect([await count(), await count()]).toEqual([1, 0]);
});
