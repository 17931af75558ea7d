import { describe, expect, test } from "bun:test";
import { z } from "zod";
import type { PartitionSet } from "#src/flow/partition-set.ts";
import { type Applied, defineFilter, defineOutput } from "#src/plugin/define.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { packetOf, textOf } from "../support/packets.ts";
import { counterInput, inputOf, probeOutput } from "../support/probe-plugins.ts";
import { filterEntry, inputEntry, outputEntry, type TestBus } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses({ stopDeadlineMs: 20 });
const anything = z.unknown();
const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));

const setOf = (bus: TestBus, name = "in") =>
  bus.wiring.inputs.find(({ entry }) => entry.name === name)?.partitions as PartitionSet;
const tell = (bus: TestBus) => {
  for (const { ref } of bus.wiring.outputs) ref.signal({ kind: "emission" });
};
const isDrained = (bus: TestBus, name: string) => setOf(bus, name).inFlight === 0;

/** Sends `count` packets under a name of its own, then stays. */
const steady = (count: number) =>
  inputOf(async (context) => {
    for (let n = 1; n <= count; n++) {
      await context.emitBatch([packetOf(context.ident, n, `${context.ident}${n}`)]);
    }
    await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
  });

describe("a resource that is fenced", () => {
  test("while a write of it is under way: what the sink says of it counts for nothing", async () => {
    for (const answer of ["done", "failed", "again", "throws"] as const) {
      const out = probeOutput();
      out.close();
      const again = { retryAfterMs: 0, error: new Error("later") };
      const verdict = answer === "failed" ? { failed: new Error("no") } : again;
      out.answers.push(
        answer === "throws" ? new Error("broken") : () => (answer === "done" ? "done" : verdict),
      );
      const given: string[][] = [];
      const write: typeof out.plugin.write = (state, packets, context) => {
        given.push(packets.map(textOf));
        return out.plugin.write(state, packets, context);
      };
      const bus = await start({
        inputs: [inputEntry("in", steady(8))],
        outputs: [outputEntry("out", { ...out.plugin, write }, ["in"])],
      });
      const full = () => setOf(bus).inFlight === 8 && given.length === 1;
      await waitFor(full, { what: "eight in flight, some of them in a write" });
      setOf(bus).fence();
      out.open();
      expect(await setOf(bus).drained(1_000)).toBe(true);
      await waitFor(() => out.answers.length === 0, { what: "the write that was under way" });
      await bus.stop();
      // Its own batch may have been written; nothing behind it, and nothing of it again.
      expect(given).toHaveLength(1);
      expect(out.written).toEqual(answer === "done" ? (given[0] as string[]) : []);
      expect(bus.state.deadLetters.count()).toBe(0);
      expect(bus.state.crashes.list("out")).toEqual([]);
      expect(await bus.state.checkpoints.list()).toEqual([]);
    }
  });

  test("leaves the retries of others and their order alone", async () => {
    const out = probeOutput();
    const later = { retryAfterMs: 60_000, error: new Error("later") };
    out.answers.push(() => later);
    const clock = createManualClock();
    const bus = await start({
      inputs: [inputEntry("in", steady(3)), inputEntry("other", steady(3))],
      outputs: [outputEntry("out", out.plugin, ["in", "other"], { batch: lingering(40) })],
      clock,
    });
    await settles(() => setOf(bus).inFlight + setOf(bus, "other").inFlight === 6);
    clock.advance(40);
    await settles(() => bus.admin.stat().outputs[0]?.retried === 6);
    setOf(bus).fence();
    await settles(() => setOf(bus).inFlight === 0);
    expect(out.written).toEqual([]);
    clock.advance(60_000);
    await settles(() => setOf(bus, "other").inFlight === 0);
    expect(out.written).toEqual(["other1", "other2", "other3"]);
  });

  test("does not wait for the end of a retry in which nothing else waits", async () => {
    const out = probeOutput();
    out.answers.push(() => ({ retryAfterMs: 60_000, error: new Error("later") }));
    const clock = createManualClock();
    const bus = await start({
      inputs: [inputEntry("in", steady(3)), inputEntry("other", steady(3), { paused: true })],
      outputs: [outputEntry("out", out.plugin, ["in", "other"])],
      clock,
    });
    await settles(() => bus.admin.stat().outputs[0]?.retried !== 0);
    setOf(bus).fence();
    await bus.admin.resume("other");
    await settles(() => setOf(bus, "other").inFlight === 0 && out.written.length === 3);
    expect(out.written).toEqual(["other1", "other2", "other3"]);
    expect(bus.admin.stat().outputs[0]?.note).toBeNull();
  });

  test("is drained also while an output that has packets of it is not open", async () => {
    const never = { ...probeOutput().plugin, open: () => new Promise(() => {}) };
    const bus = await start({
      inputs: [inputEntry("in", steady(8))],
      outputs: [outputEntry("out", never, ["in"])],
    });
    await waitFor(() => setOf(bus).inFlight === 8, { what: "eight in flight" });
    setOf(bus).fence();
    expect(setOf(bus).inFlight).toBe(0);
  });

  test("has nothing of an asynchronous apply that was under way", async () => {
    const answers: PromiseWithResolvers<Applied>[] = [];
    const filter = defineFilter<unknown, null>({
      name: "Late",
      summary: "answers when it is told to",
      configSchema: anything,
      open: () => null,
      apply(_, packet) {
        const answer = Promise.withResolvers<Applied>();
        answers.push(answer);
        return answer.promise.then(() => ({ ...packet, ident: "f" }));
      },
    });
    const out = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", steady(5)), inputEntry("other", steady(1), { paused: true })],
      filters: [filterEntry("f", filter, ["in", "other"])],
      outputs: [outputEntry("out", out.plugin, ["f"])],
    });
    await waitFor(() => answers.length === 1, { what: "an apply under way" });
    setOf(bus).fence();
    answers[0]?.resolve(null);
    await bus.admin.resume("other");
    await waitFor(() => answers.length === 2, { what: "the other's turn" });
    answers[1]?.resolve(null);
    await waitFor(() => isDrained(bus, "other"), { what: "the other" });
    expect(out.written).toEqual(["other1"]);
    expect(answers).toHaveLength(2);
    const mailboxes = JSON.stringify(bus.admin.supervisor(), ["children", "mailbox", "depth"]);
    expect(mailboxes).not.toMatch(/"depth":[1-9]/);
  });

  test("does not keep others waiting for a packet of it that was under suspicion", async () => {
    let calls = 0;
    const filter = defineFilter<unknown, null>({
      name: "Stuck",
      summary: "never answers for one input",
      configSchema: anything,
      open: () => null,
      apply(_, packet) {
        calls++;
        const passed = { ...packet, ident: "f" };
        return textOf(packet).startsWith("in") ? new Promise(() => {}) : Promise.resolve(passed);
      },
    });
    const out = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", steady(5)), inputEntry("other", steady(3), { paused: true })],
      filters: [filterEntry("f", filter, ["in", "other"])],
      outputs: [outputEntry("out", out.plugin, ["f"])],
    });
    await waitFor(() => calls === 1, { what: "an apply that never ends" });
    bus.system.fail("engine/pipeline/filters/f", new Error("thrown in a timer"));
    await waitFor(() => calls === 2, { what: "the same once more" });
    expect(bus.admin.stat().filters[0]?.suspects).toBe(1);
    await bus.admin.resume("other");
    await waitFor(() => setOf(bus, "other").inFlight === 3, { what: "the other, that waits" });
    setOf(bus).fence();
    await waitFor(() => out.written.length === 3, { what: "the other's packets" });
    expect(out.written).toEqual(["other1", "other2", "other3"]);
  });

  test("leaves nothing in a mailbox that waits for a way that is not there", async () => {
    const out = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 5, ident: "nobody" }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
      bus: { onUnrouted: "fail" },
    });
    const router = () => JSON.stringify(bus.admin.supervisor(), ["children", "mailbox", "bytes"]);
    await waitFor(() => bus.failures.length > 0, { what: "the input to fail" });
    expect(router()).toMatch(/"bytes":[1-9]/);
    setOf(bus).fence();
    await waitFor(() => !/"bytes":[1-9]/.test(router()), { what: "an empty mailbox" });
    expect(setOf(bus).inFlight).toBe(0);
  });

  test("ends its input for good when that waits, and no other", async () => {
    const out = probeOutput();
    out.close();
    const bus = await start({
      inputs: [inputEntry("in", counterInput()), inputEntry("other", counterInput({ count: 50 }))],
      outputs: [outputEntry("out", out.plugin, ["in", "other"])],
      bus: { window: { packets: 20, bytes: 1 << 20 } },
    });
    await waitFor(() => setOf(bus).inFlight === 20, { what: "a full window" });
    setOf(bus).fence();
    out.open();
    await waitFor(() => bus.failures.length === 1, { what: "the input to fail" });
    expect(bus.failures).toMatchObject([{ error: { code: "STALE_EPOCH" } }]);
    await waitFor(() => bus.admin.stat().inputs[1]?.state === "finished", { what: "the other" });
    await waitFor(() => isDrained(bus, "other"), { what: "the other to be written" });
  });
});

describe("a resource that may not emit now", () => {
  test("is held in order while others go on, and goes on when it is told", async () => {
    const out = probeOutput();
    const clock = createManualClock();
    const bus = await start({
      inputs: [
        inputEntry("in", steady(30), { paused: true }),
        inputEntry("other", steady(30), { paused: true }),
      ],
      outputs: [outputEntry("out", out.plugin, ["in", "other"])],
      bus: { window: { packets: 20, bytes: 1 << 20 } },
      clock,
    });
    let may = false;
    setOf(bus).mayEmit = () => may;
    await bus.admin.resume("in");
    await bus.admin.resume("other");
    await settles(() => out.written.length === 30 && setOf(bus).inFlight === 20);
    expect(out.written).toEqual(numbers(30).map((n) => `other${n}`));
    const [stat] = bus.admin.stat().outputs;
    expect(stat?.note).toStartWith("holding 20 packets of in.in: ");
    expect(stat?.queued).toBe(20);
    may = true;
    tell(bus);
    await settles(() => out.written.length === 60);
    expect(out.written.slice(30)).toEqual(numbers(30).map((n) => `in${n}`));
    expect(bus.admin.stat().outputs[0]).toMatchObject({ note: null, queued: 0 });
    expect(bus.failures).toEqual([]);
  });

  test("goes on within a tenth of a second when nobody tells the output", async () => {
    const out = probeOutput();
    const clock = createManualClock();
    const bus = await start({
      inputs: [inputEntry("in", steady(3), { paused: true })],
      outputs: [outputEntry("out", out.plugin, ["in"], { timeoutMs: 50 })],
      clock,
    });
    setOf(bus).mayEmit = () => clock.now() >= 1_234;
    await bus.admin.resume("in");
    await settles(() => setOf(bus).inFlight === 3);
    for (let i = 0; i < 12; i++) {
      clock.advance(100);
      await settles(() => true);
    }
    expect(out.written).toEqual([]);
    clock.advance(100);
    await settles(() => out.written.length === 3);
    expect(out.written).toEqual(["in1", "in2", "in3"]);
    expect(bus.failures).toEqual([]);
  });

  test("is written meanwhile to a sink that fences by itself, until it is fenced", async () => {
    for (const where of ["definition", "open"] as const) {
      const written: string[] = [];
      const plugin = defineOutput<unknown, { readonly sinkFences: boolean }>({
        name: "Versioned",
        summary: "refuses old versions",
        configSchema: anything,
        ...(where === "definition" ? { sinkFences: true } : {}),
        open: () => ({ sinkFences: where === "open" }),
        write(_, packets) {
          written.push(...packets.map(textOf));
          return undefined;
        },
      });
      const plain = probeOutput();
      const bus = await start({
        inputs: [inputEntry("in", steady(3), { paused: true })],
        outputs: [outputEntry("es", plugin, ["in"]), outputEntry("out", plain.plugin, ["in"])],
      });
      setOf(bus).mayEmit = () => false;
      await bus.admin.resume("in");
      await waitFor(() => written.length === 3, { what: "three" });
      await waitFor(() => setOf(bus).inFlight === 3, { what: "three held by the other output" });
      setOf(bus).fence();
      tell(bus);
      await settles(() => bus.admin.stat().outputs.every(({ queued }) => queued === 0));
      expect({ written, plain: plain.written }).toEqual({
        written: ["in1", "in2", "in3"],
        plain: [],
      });
      await bus.stop();
    }
  });
});

const lingering = (lingerMs: number) => ({ countMax: 1024, bytesMax: 1 << 20, lingerMs });

/** Turns of the event loop until it holds: the clock of these tests stands still. */
async function settles(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 50 || !holds(); i++) {
    if (i > 5_000) throw new Error("it does not come to it");
    await new Promise((resolve) => setImmediate(resolve));
  }
}
