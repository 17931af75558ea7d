import { describe, expect, test } from "bun:test";
import { z } from "zod";
import type { ActorStatus } from "#src/api/port.ts";
import { defineFilter } from "#src/plugin/define.ts";
import { counterInput, probeOutput } from "../support/probe-plugins.ts";
import { filterEntry, inputEntry, outputEntry, type TestBus } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();

const passes = defineFilter<unknown, null>({
  name: "ProbeFilter",
  summary: "sends on under its own ident",
  configSchema: z.unknown(),
  open: () => null,
  apply: (_, packet, { ident }) => ({ ...packet, ident }),
});

/** How often each actor of the pipeline has been started again, by the end of its path. */
function restarts(bus: TestBus): Record<string, number> {
  const flat = (one: ActorStatus): ActorStatus[] => [one, ...one.children.flatMap(flat)];
  return Object.fromEntries(
    flat(bus.admin.supervisor())
      .filter(({ path, children }) => /pipeline\//.test(path) && children.length === 0)
      .map(({ path, restarts }) => [path.slice(path.lastIndexOf("/") + 1), restarts]),
  );
}

/** Numbers from 1 in order, each once. */
function isCounted(written: readonly string[]): boolean {
  return written.every((text, i) => text === String(i + 1));
}

describe("a reload", () => {
  test("starts the changed output anew and touches nobody else (fault 86)", async () => {
    const changed = probeOutput();
    const same = probeOutput();
    const inputs = [inputEntry("in", counterInput())];
    const filters = [filterEntry("f", passes, ["in"])];
    const other = outputEntry("same", same.plugin, ["f"]);
    const bus = await start({
      inputs,
      filters,
      outputs: [outputEntry("changed", changed.plugin, ["in"]), other],
    });
    await waitFor(() => changed.written.length > 1_000, { what: "rows before" });
    const report = await bus.reload({
      outputs: [outputEntry("changed", changed.plugin, ["in"], { config: { to: "b" } }), other],
    });
    expect(report).toMatchObject({ outcome: "applied", version: 2, rerouted: [] });
    expect(report.changes).toEqual([
      { kind: "output", name: "changed", change: "changed", keys: ["to"], restarts: true },
    ]);
    const before = changed.written.length;
    await waitFor(() => changed.written.length > before + 1_000, { what: "rows after" });
    expect([changed.opened, same.opened]).toEqual([2, 1]);
    expect(restarts(bus)).toEqual({ "in.in": 0, router: 0, f: 0, same: 0, changed: 1 });
    expect([isCounted(changed.written), isCounted(same.written)]).toEqual([true, true]);
  });
});
