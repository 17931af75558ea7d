import { describe, expect, test } from "bun:test";
import { throttleFilter } from "#plugins/filter/throttle/throttle-filter.ts";
import { filterPluginContract } from "../../../contract/filter-plugin.ts";
import { fakeFilterContext } from "../../../support/fake-context.ts";
import { documentOf } from "../../../support/field-packets.ts";
import { createManualClock } from "../../../support/manual-clock.ts";

const packets = [1, 2, 3].map((n) => documentOf(`{"n":${n}}`));

describe("contract", () =>
  filterPluginContract(throttleFilter, { config: { perSecond: 1_000 }, packets }));

async function open(config: object) {
  const clock = createManualClock();
  const { context, abort } = fakeFilterContext({ clock });
  const state = await throttleFilter.open(context, throttleFilter.configSchema.parse(config));
  const passed: number[] = [];
  const apply = (n: number) => {
    const applied = throttleFilter.apply(state, documentOf(`{"n":${n}}`), context);
    if (!(applied instanceof Promise)) return void passed.push(n);
    return applied.then(
      () => void passed.push(n),
      () => {},
    );
  };
  return { clock, passed, apply, abort };
}

test("so many pass in a second, in order, and nothing is dropped", async () => {
  const { clock, passed, apply } = await open({ perSecond: 10, burst: 1 });
  const all = Array.from({ length: 21 }, (_, n) => apply(n));
  expect(passed).toEqual([0]);
  for (let second = 1; second <= 2; second++) {
    for (let n = 0; n < 10; n++) {
      clock.advance(100);
      await Promise.resolve();
      await Promise.resolve();
    }
    expect(passed.length).toBe(1 + second * 10);
  }
  await Promise.all(all);
  expect(passed).toEqual(Array.from({ length: 21 }, (_, n) => n));
});

test("after a pause as many as the burst pass at once", async () => {
  const { clock, passed, apply } = await open({ perSecond: 10, burst: 5 });
  for (let n = 0; n < 7; n++) void apply(n);
  expect(passed).toEqual([0, 1, 2, 3, 4]);
  clock.advance(60_000);
  await Promise.resolve();
  for (let n = 7; n < 14; n++) void apply(n);
  expect(passed.filter((n) => n >= 7)).toEqual([7, 8, 9, 10, 11]);
});

test("a stop ends the waiting", async () => {
  const { passed, apply, abort } = await open({ perSecond: 1, burst: 1 });
  void apply(0);
  const waiting = apply(1);
  abort();
  await waiting;
  expect(passed).toEqual([0]);
});
