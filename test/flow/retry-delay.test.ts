import { expect, test } from "bun:test";
import { retryDelay } from "#src/flow/retry-delay.ts";

const policy = { times: 3, delayMs: 350, delayMsMax: 30_000 };

test("three retries are 350 ms apart, those after them grow for ever, up to half a minute", () => {
  const delays = Array.from({ length: 12 }, (_, attempts) => retryDelay(policy, attempts, () => 0));
  expect(delays.slice(0, 3)).toEqual([350, 350, 350]);
  expect(delays.slice(3, 6)).toEqual([350, 700, 1_400]);
  expect(delays.slice(10)).toEqual([30_000, 30_000]);
  expect(retryDelay(policy, 1e6, () => 0)).toBe(30_000);
});

test("those that grow are spread, so that outputs do not come back all at once", () => {
  const spread = (random: number) => retryDelay(policy, 5, () => random);
  expect(spread(0.999)).toBeGreaterThan(spread(0));
  expect(spread(0.999)).toBeLessThanOrEqual(1_400 * 1.2);
});

test("without retries of a fixed delay it grows from the first", () => {
  expect(retryDelay({ ...policy, times: 0 }, 1, () => 0)).toBe(700);
});
