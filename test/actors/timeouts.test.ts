import { describe, expect, test } from "bun:test";
import { z } from "zod";
import type { ActorStatus } from "#src/api/port.ts";
import { defineFilter, defineOutput } from "#src/plugin/define.ts";
import { packetOf, textOf } from "../support/packets.ts";
import { counterInput, inputOf, probeOutput } from "../support/probe-plugins.ts";
import { filterEntry, inputEntry, outputEntry, type TestBus } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();

const configSchema = z.unknown();
const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));
const never = () => new Promise<never>(() => {});

function actorAt(bus: TestBus, path: string): ActorStatus | undefined {
  const flat = (one: ActorStatus): ActorStatus[] => [one, ...one.children.flatMap(flat)];
  return flat(bus.admin.supervisor()).find((one) => one.path === `engine/pipeline/${path}`);
}

describe("a call that never returns", () => {
  test("of write: the output is opened again and given it once more, and it ends nothing", async () => {
    const written: string[] = [];
    const aborted: boolean[] = [];
    let late: (() => void) | undefined;
    let calls = 0;
    const stuck = defineOutput<unknown, null>({
      name: "Stuck",
      summary: "does not return the first time",
      configSchema,
      open: () => null,
      write(_, packets, { signal }) {
        if (++calls === 1) {
          signal.addEventListener("abort", () => aborted.push(true));
          return new Promise((resolve) => {
            late = () => resolve(packets.map(() => ({ failed: new Error("too late") })));
          });
        }
        late?.();
        written.push(...packets.map(textOf));
        return Promise.resolve(undefined);
      },
    });
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 50 }))],
      outputs: [outputEntry("out", stuck, ["in"], { timeoutMs: 30 })],
    });
    await waitFor(() => written.length === 50, { what: "all of it" });
    expect(written).toEqual(numbers(50));
    expect(aborted).toEqual([true]);
    expect(actorAt(bus, "outputs/out")).toMatchObject({
      restarts: 1,
      lastError: { code: "PLUGIN_TIMEOUT", message: "write of out did not return within 30 ms" },
    });
    expect(bus.admin.stat()).toMatchObject({ deadLetters: 0, inputs: [{ packets: 50 }] });
  });

  test("of apply: the filter is opened again, and its packets come from the edge once more", async () => {
    const out = probeOutput();
    let calls = 0;
    const stuck = defineFilter<unknown, null>({
      name: "Stuck",
      summary: "does not return the first time",
      configSchema,
      open: () => null,
      apply: async (_, packet, { ident }) => {
        if (textOf(packet) === "7" && ++calls === 1) await never();
        return { ...packet, ident };
      },
    });
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 20 }))],
      filters: [filterEntry("f", stuck, ["in"], { timeoutMs: 30 })],
      outputs: [outputEntry("out", out.plugin, ["f"])],
    });
    await waitFor(() => out.written.length === 20, { what: "all of it" });
    expect(out.written).toEqual(numbers(20));
    expect(actorAt(bus, "filters/f")).toMatchObject({
      restarts: 1,
      lastError: { code: "PLUGIN_TIMEOUT" },
    });
    expect(bus.admin.stat()).toMatchObject({ deadLetters: 0, inputs: [{ packets: 20 }] });
  });

  test("of open: it is tried again, and what opens too late is closed", async () => {
    const out = probeOutput();
    const closed: unknown[] = [];
    let opens = 0;
    const late = Promise.withResolvers<string>();
    const plugin = {
      ...out.plugin,
      open: () => (++opens === 1 ? late.promise : Promise.resolve("second")),
      close: (state: unknown) => void closed.push(state),
    };
    await start({
      inputs: [inputEntry("in", counterInput({ count: 5 }))],
      outputs: [outputEntry("out", plugin, ["in"], { timeoutMs: 30 })],
    });
    await waitFor(() => out.written.length === 5, { what: "all of it" });
    late.resolve("first");
    await waitFor(() => closed.length === 1, { what: "the late one to be closed" });
    expect(closed).toEqual(["first"]);
  });

  test("of close and of run: neither holds up a stop", async () => {
    const out = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", inputOf(never))],
      outputs: [outputEntry("out", { ...out.plugin, close: never }, ["in"], { timeoutMs: 30 })],
      bus: { stopDeadlineMs: 50 },
    });
    await waitFor(() => bus.admin.stat().ready, { what: "both to be open" });
    const began = performance.now();
    await bus.stop();
    // The cells give up after 5 and 2 seconds by themselves: it must not come to that.
    expect(performance.now() - began).toBeLessThan(1_500);
  });

  test("of run after an abort: the input is started again, and what it still emits is refused", async () => {
    const out = probeOutput();
    const refused: unknown[] = [];
    let runs = 0;
    const goOn = Promise.withResolvers<void>();
    const deaf = inputOf(async (context) => {
      if (++runs === 1) {
        await context.emitBatch([packetOf("in", 1)]);
        queueMicrotask(() => bus.system.fail(path, new Error("from outside")));
        await goOn.promise;
        await context.emitBatch([packetOf("in", 99)])?.catch((error) => refused.push(error));
        return;
      }
      await context.emitBatch([packetOf("in", Number(context.resume()) + 1)]);
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    });
    const path = "engine/pipeline/inputs/in.in";
    const bus = await start({
      inputs: [inputEntry("in", deaf)],
      outputs: [outputEntry("out", out.plugin, ["in"])],
      bus: { stopDeadlineMs: 50 },
    });
    await waitFor(() => out.written.length === 2, { what: "the second run" });
    goOn.resolve();
    await waitFor(() => refused.length === 1, { what: "the refusal" });
    expect(refused).toMatchObject([{ code: "ACTOR_UNAVAILABLE" }]);
    expect(out.written).toEqual(["1", "2"]);
  });
});
