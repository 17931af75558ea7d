import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { DbusError } from "#src/errors.ts";
import { defineFilter, defineOutput, type OutputPlugin } from "#src/plugin/define.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { textOf } from "../support/packets.ts";
import { counterInput, probeOutput } from "../support/probe-plugins.ts";
import { filterEntry, inputEntry, outputEntry } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();

const configSchema = z.unknown();
const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));
const without = (all: readonly string[], ...gone: string[]) => all.filter((n) => !gone.includes(n));

/** Writes unless one of the packets is among `poison`; keeps how large each batch was. */
function touchyOutput(poison: readonly string[], fail: (text: string) => never) {
  const written: string[] = [];
  const crashes: string[][] = [];
  const plugin: OutputPlugin = defineOutput<unknown, null>({
    name: "Touchy",
    summary: "crashes on some packets",
    configSchema,
    open: () => null,
    async write(_, packets) {
      const texts = packets.map(textOf);
      const bad = texts.find((text) => poison.includes(text));
      if (bad !== undefined) {
        crashes.push(texts);
        fail(bad);
      }
      written.push(...texts);
      return undefined;
    },
  });
  return { plugin, written, crashes };
}

const broken = (text: string): never => {
  throw new Error(`cannot take ${text}`);
};

describe("fault 78: a row on which an output crashes", () => {
  test("is found in three crashes, is in the dead letters whole, and the others are written", async () => {
    const out = touchyOutput(["70"], broken);
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 200, batch: 200 }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    await waitFor(() => bus.admin.stat().outputs[0]?.packets === 199, { what: "the others" });
    expect(out.written).toEqual(without(numbers(200), "70"));
    expect(out.crashes.map(({ length }) => length)).toEqual([200, 32, 1]);
    const [letter, ...more] = bus.state.deadLetters.list();
    expect(more).toEqual([]);
    expect(letter).toMatchObject({
      node: "out",
      input: "in",
      ident: "in",
      position: "70",
      code: "PACKET_POISON",
      reason: expect.stringMatching(/^out crashed 3 times on it since 2.*with cannot take 70$/),
      crashes: 3,
      crashedAt: expect.any(Number),
    });
    expect(textOf(letter!.packet)).toBe("70");
    expect(bus.admin.stat()).toMatchObject({
      inputs: [{ packets: 200, inFlight: 0 }],
      outputs: [{ poisoned: 1, suspects: 0, failed: 1 }],
    });
    expect(bus.state.crashes.list("out")).toEqual([]);
  });

  test("two of them next to each other are both found, and nothing else is refused", async () => {
    const out = touchyOutput(["5", "6"], broken);
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 40, batch: 40 }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    await waitFor(() => out.written.length === 38, { what: "the others", timeoutMs: 20_000 });
    expect(out.written).toEqual(without(numbers(40), "5", "6"));
    expect(bus.state.deadLetters.list().map(({ position }) => position)).toEqual(["5", "6"]);
    expect(out.crashes).toHaveLength(6);
  });

  test("does not escalate before three crashes, and with onFailed: block it stays and does", async () => {
    const out = touchyOutput(["3"], broken);
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 5 }))],
      outputs: [outputEntry("out", out.plugin, ["in"], { onFailed: "block" })],
      bus: { restarts: { intensity: 0, periodMs: 30_000 } },
    });
    const codes = () =>
      bus.failures.map(({ path, error }) => `${path.split("/").at(-1)} ${error.code}`);
    await waitFor(() => codes().includes("outputs ACTOR_INTENSITY"), { what: "the escalation" });
    expect(codes().slice(0, 4)).toEqual([
      "out PLUGIN_CRASHED",
      "out PLUGIN_CRASHED",
      "out INTERNAL",
      "outputs ACTOR_INTENSITY",
    ]);
    expect(bus.state.deadLetters.count()).toBe(0);
    expect(out.written).toEqual(["1", "2"]);
  });

  test("is known to the next process, which goes on where the last one was", async () => {
    const state = memoryState();
    const first = touchyOutput(["7"], broken);
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 20, batch: 20 }))],
      outputs: [outputEntry("out", first.plugin, ["in"])],
      state,
      bus: { stopDeadlineMs: 1 },
    });
    await waitFor(() => first.crashes.length === 2, { what: "two crashes" });
    await bus.stop();
    const second = touchyOutput(["7"], broken);
    await start({
      inputs: [inputEntry("in", counterInput({ count: 20, batch: 20 }))],
      outputs: [outputEntry("out", second.plugin, ["in"])],
      state,
    });
    await waitFor(() => second.written.at(-1) === "20", { what: "the rest" });
    expect(second.crashes).toEqual([["7"]]);
    expect(state.deadLetters.list()).toMatchObject([{ position: "7", crashes: 3 }]);
  });

  test.each([
    ["a server that is away", "KAFKA_REQUEST_FAILED"],
    ["a password that is wrong", "KAFKA_AUTH"],
    ["a call that takes too long", "PLUGIN_TIMEOUT"],
  ] as const)("is not blamed for %s", async (_, code) => {
    let failures = 0;
    const out = touchyOutput(["3"], () => {
      failures++;
      throw new DbusError(code, "not the row's fault");
    });
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 5 }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    const enough = code === "KAFKA_AUTH" ? 1 : 5;
    await waitFor(() => failures >= enough, { what: "failures", timeoutMs: 20_000 });
    expect(bus.state.deadLetters.count()).toBe(0);
    expect(bus.state.crashes.list("out")).toEqual([]);
  });
});

describe("fault 78: a row on which a filter never returns", () => {
  test("is found, each lane by itself, and the others pass", async () => {
    const out = probeOutput();
    const stuck = defineFilter<unknown, null>({
      name: "Stuck",
      summary: "never returns on some packets",
      configSchema,
      open: () => null,
      apply: async (_, packet, { ident }) => {
        const { position } = packet;
        if (packet.ident === "a" && position === 4) await new Promise(() => {});
        return { ...packet, ident };
      },
    });
    const bus = await start({
      inputs: [
        inputEntry("a", counterInput({ count: 10 })),
        inputEntry("b", counterInput({ count: 10 })),
      ],
      filters: [filterEntry("f", stuck, ["a", "b"], { timeoutMs: 30 })],
      outputs: [outputEntry("out", out.plugin, ["f"])],
    });
    await waitFor(() => out.written.length === 19, { what: "the others", timeoutMs: 20_000 });
    expect(bus.state.deadLetters.list()).toMatchObject([
      { node: "f", input: "a", position: "4", code: "PACKET_POISON", crashes: 3 },
    ]);
    expect(bus.admin.stat().filters).toMatchObject([{ timeouts: 3, poisoned: 1, suspects: 0 }]);
    expect(out.written.toSorted()).toEqual(
      [...without(numbers(10), "4"), ...numbers(10)].toSorted(),
    );
  });
});
