import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { DbusError } from "#src/errors.ts";
import type { Packet } from "#src/flow/packet.ts";
import { type Applied, defineFilter } from "#src/plugin/define.ts";
import { holdsFor } from "../support/holds-for.ts";
import { packetOf, textOf } from "../support/packets.ts";
import { counterInput, inputOf, probeOutput } from "../support/probe-plugins.ts";
import { filterEntry, inputEntry, outputEntry } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();

function filterOf(apply: (packet: Packet) => Applied) {
  return defineFilter<unknown, null>({
    name: "ProbeFilter",
    summary: "gives what a test wants",
    configSchema: z.unknown(),
    open: () => null,
    apply: (_, packet) => apply(packet),
  });
}

const copies = (packet: Packet, count: number): Packet[] =>
  Array.from({ length: count }, (_, i) => packetOf("f", Number(textOf(packet)) * 1e7 + i));

describe("fault 95: a filter that makes a million of one", () => {
  test("is asked for the next only when there is room for it", async () => {
    let made = 0;
    const filter = filterOf(function* (packet) {
      for (; made < 1_000_000; made++) yield { ...packet, ident: "f" };
    });
    const out = probeOutput();
    out.close();
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 1 }))],
      filters: [filterEntry("f", filter, ["in"])],
      outputs: [outputEntry("out", out.plugin, ["f"])],
    });
    await waitFor(() => made >= 2_048, { what: "as many as the edge has credit for" });
    await holdsFor(() => made <= 2_049, { ms: 200, what: "no more are made" });
    expect(bus.admin.stat().inputs[0]).toMatchObject({ inFlight: 1 });
    out.open();
    await waitFor(() => bus.admin.stat().outputs[0]?.packets === 1_000_000, {
      what: "a million to be written",
      timeoutMs: 30_000,
    });
    await waitFor(() => bus.admin.stat().inputs[0]?.inFlight === 0, { what: "all to be settled" });
    expect(bus.state.deadLetters.count()).toBe(0);
  }, 60_000);

  test("as an array it is refused, with what to do instead; what may be held goes on", async () => {
    const sizes = [10_000, 10_001, 3, 40, 1];
    const bytes = [1, 1, 1, 2 ** 20, 2 ** 26];
    const filter = filterOf((packet) => {
      const at = Number(textOf(packet)) - 1;
      return copies(packet, sizes[at] ?? 0).map((copy) => ({ ...copy, bytes: bytes[at] ?? 1 }));
    });
    const out = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: sizes.length }))],
      filters: [filterEntry("f", filter, ["in"])],
      outputs: [outputEntry("out", out.plugin, ["f"])],
    });
    await waitFor(() => bus.admin.stat().inputs[0]?.inFlight === 0, { what: "all to be settled" });
    await waitFor(() => out.written.length === 10_004, { what: "what is small enough" });
    const letters = bus.state.deadLetters.list();
    expect(letters.map(({ packet, code }) => [textOf(packet), code])).toEqual([
      ["2", "FILTER_TOO_MANY"],
      ["4", "FILTER_TOO_MANY"],
    ]);
  });
});

test("what an input could not read is kept before anything behind it, and cannot be redriven", async () => {
  const out = probeOutput();
  const input = inputOf(async (context) => {
    await context.emitBatch([packetOf("in", 1)]);
    const error = new DbusError("MYSQL_EVENT_TOO_LARGE", "a row of 1 GB");
    context.deadLetter(packetOf("in", 2), error);
    await context.emitBatch([packetOf("in", 3)]);
  });
  const bus = await start({
    inputs: [inputEntry("in", input)],
    outputs: [outputEntry("out", out.plugin, ["in"])],
  });
  await waitFor(() => out.written.length === 2, { what: "the others" });
  expect(out.written).toEqual(["1", "3"]);
  const [letter] = bus.state.deadLetters.list();
  expect(letter).toMatchObject({ node: "in", input: "in", code: "MYSQL_EVENT_TOO_LARGE" });
  await expect(bus.admin.redrive([letter?.id ?? 0])).rejects.toMatchObject({
    code: "DEADLETTER_POINTER",
    message: expect.stringContaining("a row of 1 GB"),
    remedy: expect.stringContaining("once more at its source"),
  });
  expect(bus.state.deadLetters.get(letter?.id ?? 0)?.redrivenAt).toBeNull();
});
