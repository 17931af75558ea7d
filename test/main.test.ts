import { expect, test } from "bun:test";
import { type Clock, systemClock } from "#src/clock.ts";
import type { Config } from "#src/config/config.ts";
import { createLog } from "#src/log-writer.ts";
import { startDaemon } from "#src/main.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { adminConfig } from "./support/admin-config.ts";
import { inputOf, probeOutput } from "./support/probe-plugins.ts";
import { defaultBus, inputEntry, outputEntry } from "./support/test-bus.ts";

/** Waits of minutes pass in a moment, and all failures are in the same period. */
const hurried: Clock = {
  ...systemClock,
  now: () => 0,
  after: (ms, run) => systemClock.after(Math.min(ms, 1), run),
};

test("an input that fails for good ends the process: it says why, and with exit code 1", async () => {
  let runs = 0;
  const broken = inputOf(() => {
    runs++;
    return Promise.reject(new Error("the plugin is broken"));
  });
  const config: Config = {
    file: "test.yaml",
    bus: { ...defaultBus, stopDeadlineMs: 100 },
    state: { dir: "" },
    admin: adminConfig({ enabled: false }),
    log: { level: "error", format: "json" },
    inputs: [inputEntry("in", broken)],
    filters: [],
    outputs: [outputEntry("out", probeOutput().plugin, ["in"])],
    shown: {},
  };
  const lines: string[] = [];
  const log = createLog({ level: "error", format: "json", write: (line) => void lines.push(line) });
  const daemon = await startDaemon(config, { log, clock: hurried, state: memoryState() });
  const { exitCode, reason } = await daemon.done;
  expect(exitCode).toBe(1);
  expect(reason).toContain("failed more than 5 times");
  // Three supervisors are above it, and each of them starts again five times before it gives up.
  expect(runs).toBe(6 ** 3);
  const first = JSON.parse(lines[0] ?? "{}") as Record<string, unknown>;
  expect(first).toMatchObject({ code: "INTERNAL", error: "the plugin is broken" });
  expect(lines.at(-1)).toContain("the supervision tree gave up");
});
