import { afterEach } from "bun:test";
import type { BusConfig } from "#src/config/config.ts";
import { startTestBus, type TestBus, type TestBusOptions } from "./test-bus.ts";

/** Starts buses for the tests of one file and stops them after each; `bus` goes under their own. */
export function testBuses(
  bus: Partial<BusConfig> = {},
): (options: TestBusOptions) => Promise<TestBus> {
  const started: TestBus[] = [];
  afterEach(async () => {
    await Promise.all(started.splice(0).map((one) => one.stop()));
  });
  return async (options) => {
    const one = await startTestBus({ ...options, bus: { ...bus, ...options.bus } });
    started.push(one);
    return one;
  };
}
