import { describe, expect, test } from "bun:test";
import { z } from "zod";
import type { ActorStatus } from "#src/api/port.ts";
import type { InputPlugin } from "#src/plugin/define.ts";
import { packetOf } from "../support/packets.ts";
import { counterInput, inputOf, probeOutput } from "../support/probe-plugins.ts";
import { inputEntry, outputEntry } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();

const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));
const key = { input: "in", resource: "in", partition: "0" };

describe("checkpoints by hand", () => {
  const positioned: InputPlugin = { ...counterInput({ count: 20 }), positionSchema: z.number() };

  test("a dry run changes nothing, and says all the same what would be refused", async () => {
    const out = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", positioned)],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    await waitFor(() => out.written.length === 20, { what: "the first run" });
    await bus.admin.setCheckpoint(key, 15, true);
    await bus.admin.resetCheckpoint(key, true);
    for (const dryRun of [true, false]) {
      await expect(bus.admin.setCheckpoint(key, { pos: "x" }, dryRun)).rejects.toMatchObject({
        code: "REQUEST_INVALID",
        remedy: "spell it as dbc checkpoint get does",
      });
    }
    await expect(
      bus.admin.setCheckpoint({ ...key, resource: "other" }, 15, true),
    ).rejects.toMatchObject({ code: "NOT_FOUND" });
    await bus.admin.setCheckpoint(key, 15);
    await waitFor(() => out.written.length === 25, { what: "five again" });
    expect(out.written.slice(20)).toEqual(numbers(20).slice(15));
  });

  test("one that waits for a stuck output is refused in time, and nothing is read twice", async () => {
    const out = probeOutput();
    out.close();
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 20 }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
      bus: { stopDeadlineMs: 50 },
    });
    await waitFor(() => bus.admin.stat().inputs[0]?.inFlight === 20, { what: "all on the way" });
    for (const position of [5, 0]) {
      await expect(bus.admin.setCheckpoint(key, position)).rejects.toMatchObject({
        code: "ACTOR_UNAVAILABLE",
        message: "in still has 20 packets in flight",
      });
    }
    await bus.admin.pause("in");
    await bus.admin.resume("in");
    out.open();
    await waitFor(() => bus.admin.stat().inputs[0]?.state === "finished", { what: "the end" });
    expect(out.written).toEqual(numbers(20));
  });
});

test("every actor can be looked at: where it is, how it is, what waits and what it may send", async () => {
  const out = probeOutput();
  out.close();
  const bus = await start({
    inputs: [inputEntry("in", counterInput({ count: 20 }))],
    outputs: [outputEntry("out", out.plugin, ["in"])],
  });
  await waitFor(() => bus.admin.stat().inputs[0]?.inFlight === 20, { what: "all on the way" });
  const flat = (one: ActorStatus): ActorStatus[] => [one, ...one.children.flatMap(flat)];
  const actors = new Map(flat(bus.admin.supervisor()).map((one) => [one.path, one]));
  expect([...actors.keys()]).toEqual([
    "engine",
    "engine/checkpoint",
    "engine/cluster",
    "engine/pipeline",
    "engine/pipeline/outputs",
    "engine/pipeline/outputs/out",
    "engine/pipeline/buffers",
    "engine/pipeline/filters",
    "engine/pipeline/router",
    "engine/pipeline/inputs",
    "engine/pipeline/inputs/in.in",
    "engine/stuck-heads",
    "engine/redrive",
    "engine/commands",
    "engine/api",
  ]);
  for (const actor of actors.values()) {
    expect(actor).toMatchObject({ state: "running", restarts: 0, lastError: null });
    expect(actor.mailbox).toEqual({ depth: expect.any(Number), bytes: expect.any(Number) });
  }
  expect(actors.get("engine/pipeline/router")?.credit).toEqual({ out: 2048 - 20 });
  expect(actors.get("engine/pipeline/router")?.handled).toBeGreaterThan(0);
  expect(actors.get("engine/pipeline/router")?.busyMs).toBeGreaterThan(0);
  out.open();
});

describe("lag", () => {
  test("an input that has come to its end is behind nothing any more", async () => {
    const far = inputOf(async (context) => {
      context.reportLag({ seconds: 28_000_000, bytes: 5 });
      await context.emitBatch([packetOf("in", 1)]);
    });
    const out = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", far)],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    const status = () => bus.admin.stat().inputs[0];
    await waitFor(() => status()?.state === "finished", { what: "the end" });
    expect(status()).toMatchObject({ lagSeconds: null, lagBytes: null });
  });

  test("what was read and hangs at an output is a lag, though the source has no more", async () => {
    const out = probeOutput();
    out.close();
    const reader = inputOf(async (context) => {
      context.reportLag({ seconds: 0 });
      await context.emitBatch([packetOf("in", 1)]);
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    });
    const bus = await start({
      inputs: [inputEntry("in", reader)],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    const lag = () => bus.admin.stat().inputs[0]?.lagSeconds ?? 0;
    await waitFor(() => lag() >= 1, { what: "a lag of a second" });
    out.open();
    await waitFor(() => lag() === 0, { what: "none any more" });
  });
});
