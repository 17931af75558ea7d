import { expect, test } from "bun:test";
import { DbusError } from "#src/errors.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { counterInput, outputOf } from "../support/probe-plugins.ts";
import { inputEntry, outputEntry, startTestBus } from "../support/test-bus.ts";

const stopDeadlineMs = 10_000;
const stepMs = 50;

test("a stop waits for what nobody takes until its deadline, and no second time", async () => {
  const clock = createManualClock();
  const away = {
    ...outputOf(() => {}),
    open: () => Promise.reject(new DbusError("ES_UNREACHABLE", "the sink is away")),
  };
  const bus = await startTestBus({
    inputs: [inputEntry("in", counterInput({ count: 10 }))],
    outputs: [outputEntry("out", away, ["in"])],
    bus: { stopDeadlineMs },
    clock,
  });
  const step = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(stepMs);
  };
  while (bus.admin.stat().inputs[0]?.inFlight !== 10) await step();
  const before = clock.now();
  let stopped = false;
  const stopping = bus.stop().then(() => {
    stopped = true;
  });
  while (!stopped) await step();
  await stopping;
  const tookMs = clock.now() - before;
  expect(tookMs).toBeGreaterThanOrEqual(stopDeadlineMs);
  expect(tookMs).toBeLessThan(stopDeadlineMs + 10 * stepMs);
});
