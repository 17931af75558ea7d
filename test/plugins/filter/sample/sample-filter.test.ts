import { describe, expect, test } from "bun:test";
import { sampleFilter } from "#plugins/filter/sample/sample-filter.ts";
import type { Packet } from "#src/flow/packet.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { changeOf, readRecordOf, recordOf, tableOf } from "../../../support/field-packets.ts";
import { runFilter } from "../../../support/run-filter.ts";

const table = tableOf("shop.orders", "id int!", "total int");
const rows = (total: number) =>
  Array.from({ length: 2_000 }, (_, id) => changeOf(table, { after: [id, total] }));

describe("contract", () =>
  filterPluginContract(sampleFilter, { config: { rate: 0.5 }, packets: rows(1).slice(0, 9) }));

const passed = async (config: object, packets: readonly Packet[] = rows(1)) =>
  (await runFilter(sampleFilter, config, packets)).map((one) => one.length);

test("the share of keys that it is told passes", async () => {
  for (const rate of [0, 0.1, 0.5, 1]) {
    const share = (await passed({ rate })).reduce((sum, n) => sum + n, 0) / 2_000;
    expect(Math.abs(share - rate)).toBeLessThan(0.04);
  }
});

test("all changes of a row pass or none, in every filter with that seed", async () => {
  const one = await passed({ rate: 0.3 });
  expect(await passed({ rate: 0.3 }, rows(2))).toEqual(one);
  expect(await passed({ rate: 0.3, seed: 1 })).not.toEqual(one);
  // What passes at a low rate passes at a higher one too.
  const more = await passed({ rate: 0.6 });
  expect(one.every((n, i) => n <= (more[i] ?? 0))).toBe(true);
});

test("an expression may say what the key is", async () => {
  const same = Array.from({ length: 50 }, (_, i) => recordOf('{"user":5}', `k${i}`));
  const counts = await passed({ rate: 0.5, by: "row.user" }, same);
  expect(new Set(counts).size).toBe(1);
});

test("a tombstone passes where the documents of its key do, whatever they were read as", async () => {
  const of = (value: string | null, make: typeof recordOf) =>
    Array.from({ length: 50 }, (_, i) => make(value, `k${i}`));
  const tombstones = await passed({ rate: 0.5 }, of(null, recordOf));
  expect(await passed({ rate: 0.5 }, of('{"n":1}', recordOf))).toEqual(tombstones);
  expect(await passed({ rate: 0.5 }, of('{"n":2}', readRecordOf))).toEqual(tombstones);
});
