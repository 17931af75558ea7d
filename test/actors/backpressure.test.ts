import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { sleep } from "#src/clock.ts";
import { defineOutput, type OutputPlugin } from "#src/plugin/define.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { packetOf, textOf } from "../support/packets.ts";
import { counterInput, inputOf, probeOutput } from "../support/probe-plugins.ts";
import { inputEntry, outputEntry } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses({ stopDeadlineMs: 20 });

/** Lets everything run that can, by turns of the event loop. */
async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** An output that has the packets after that one tried again for ever. */
function takesUpTo(last: number): OutputPlugin {
  return defineOutput<unknown, null>({
    ...{ name: "ProbeOutput", summary: "takes some", configSchema: z.unknown() },
    open: () => null,
    write: (_, packets) =>
      packets.map((packet) =>
        Number(textOf(packet)) <= last ? "done" : { retryAfterMs: 1, error: new Error("full") },
      ),
  });
}

describe("back-pressure", () => {
  test("a source is ahead of a blocked output by its window, to the packet", async () => {
    for (const window of [1, 7, 64, 1000]) {
      const out = probeOutput();
      out.close();
      const bus = await start({
        inputs: [inputEntry("in", counterInput({ batch: 3 }))],
        outputs: [outputEntry("out", out.plugin, ["in"])],
        bus: { window: { packets: window, bytes: 1 << 30 } },
      });
      await waitFor(() => bus.wiring.inputs[0]?.stats.packets === window, { what: `${window}` });
      await settle();
      expect(bus.wiring.inputs[0]?.stats.packets).toBe(window);
      expect(out.written).toEqual([]);
    }
  });

  test("bytes bound it as exactly as packets", async () => {
    const out = probeOutput();
    out.close();
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ batch: 4 }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
      bus: { window: { packets: 10_000, bytes: 2_550 } },
    });
    await waitFor(() => bus.wiring.inputs[0]?.stats.packets === 25, { what: "25 of 100 bytes" });
    await settle();
    expect(bus.wiring.inputs[0]?.stats.packets).toBe(25);
  });

  test("a blocked output stops only the input that feeds it", async () => {
    const blocked = probeOutput();
    const free = probeOutput();
    blocked.close();
    const bus = await start({
      inputs: [
        inputEntry("a", counterInput()),
        inputEntry("b", counterInput({ count: 50_000, batch: 100 })),
      ],
      outputs: [
        outputEntry("blocked", blocked.plugin, ["a"]),
        outputEntry("free", free.plugin, ["b"]),
      ],
      bus: { window: { packets: 100, bytes: 1 << 20 } },
    });
    await waitFor(() => free.written.length === 50_000, { what: "all of b" });
    expect(bus.wiring.inputs[0]?.stats.packets).toBe(100);
    blocked.open();
    await waitFor(() => blocked.written.length > 1_000, { what: "a goes on" });
  });

  test("the sibling of an output that never opens gets what the window holds", async () => {
    const good = probeOutput();
    const never: OutputPlugin = { ...probeOutput().plugin, open: () => new Promise(() => {}) };
    await start({
      inputs: [inputEntry("in", counterInput())],
      outputs: [outputEntry("never", never, ["in"]), outputEntry("good", good.plugin, ["in"])],
      bus: { window: { packets: 300, bytes: 1 << 20 } },
    });
    await waitFor(() => good.written.length === 300, { what: "a window of packets" });
  });

  test("an output that both inputs feed does not let one of them starve", async () => {
    const out = probeOutput();
    await start({
      inputs: [
        inputEntry("a", counterInput({ ident: "x" }), { idents: ["x"] }),
        inputEntry("b", counterInput({ ident: "y", count: 100 }), { idents: ["y"] }),
      ],
      outputs: [outputEntry("out", out.plugin, ["x", "y"])],
      bus: { window: { packets: 50, bytes: 1 << 20 } },
    });
    await waitFor(() => out.written.filter((text) => text === "100").length >= 1, {
      what: "the end of b",
    });
  });

  test("a paused input stands still while the others go on, and resumes where it was", async () => {
    const a = probeOutput();
    const b = probeOutput();
    const bus = await start({
      inputs: [inputEntry("a", counterInput()), inputEntry("b", counterInput())],
      outputs: [outputEntry("oa", a.plugin, ["a"]), outputEntry("ob", b.plugin, ["b"])],
    });
    await waitFor(() => a.written.length > 100, { what: "a runs" });
    await bus.admin.pause("a");
    await waitFor(() => bus.wiring.inputs[0]?.partitions.inFlight === 0, { what: "a is empty" });
    const stood = a.written.length;
    const moved = b.written.length;
    await waitFor(() => b.written.length > moved + 1_000, { what: "b goes on" });
    expect(a.written.length).toBe(stood);
    expect(bus.admin.stat().inputs[0]?.state).toBe("paused");
    await bus.admin.resume("a");
    await waitFor(() => a.written.length > stood, { what: "a goes on" });
    expect(a.written[stood]).toBe(String(stood + 1));
  });

  test("a stop with a stuck output ends at its deadline, and the rest is read again next time", async () => {
    const out = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 40 }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
      bus: { stopDeadlineMs: 60, window: { packets: 10, bytes: 1 << 20 } },
    });
    await waitFor(() => out.written.length === 40, { what: "forty" });
    out.close();
    const { state } = bus;
    await bus.stop();
    const more = probeOutput();
    more.close();
    const stuck = await start({
      state,
      inputs: [inputEntry("in", counterInput({ count: 80 }))],
      outputs: [outputEntry("out", more.plugin, ["in"])],
      bus: { stopDeadlineMs: 60 },
    });
    await waitFor(() => stuck.wiring.inputs[0]?.partitions.inFlight === 40, { what: "in flight" });
    await stuck.stop();
    expect((await state.checkpoints.list())[0]?.position).toBe("40");
  });

  test("it waits for its deadline once, however many inputs, and then commits what has arrived", async () => {
    const clock = createManualClock();
    const others = ["second", "third"];
    const bus = await start({
      clock,
      inputs: ["in", ...others].map((name) => inputEntry(name, counterInput({ count: 40 }))),
      outputs: [
        outputEntry("out", takesUpTo(5), ["in"]),
        outputEntry("stuck", takesUpTo(0), others),
      ],
      bus: { stopDeadlineMs: 60_000, checkpointIntervalMs: 600_000 },
    });
    const { partitions } = bus.wiring.inputs[0]!;
    await waitFor(() => partitions.settled("0") === 5, { what: "five" });
    const asked = clock.now();
    let isOver = false;
    const stopped = bus.stop().then(() => {
      isOver = true;
    });
    const goOn = () => isOver || clock.advance(500);
    await waitFor(goOn, { what: "the end", intervalMs: 1, timeoutMs: 20_000 });
    await stopped;
    expect(clock.now() - asked).toBeWithin(60_000, 70_000);
    const [first] = (await bus.state.checkpoints.list()).filter(({ input }) => input === "in");
    expect(first?.position).toBe("5");
  });

  test("an input that has drained until the deadline still takes leave of its source", async () => {
    const clock = createManualClock();
    const stopDeadlineMs = 60_000;
    let left = false;
    const draining = inputOf(async (context) => {
      await context.emit(packetOf("in", 1));
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
      await sleep(clock, stopDeadlineMs);
      await sleep(clock, 800);
      left = true;
    });
    const bus = await start({
      clock,
      inputs: [inputEntry("in", draining)],
      outputs: [outputEntry("out", takesUpTo(0), ["in"])],
      bus: { stopDeadlineMs },
    });
    await waitFor(() => bus.wiring.inputs[0]?.partitions.inFlight === 1, { what: "in flight" });
    const deadline = clock.now() + stopDeadlineMs;
    let isOver = false;
    const stopped = bus.stop().then(() => {
      isOver = true;
    });
    const goOn = () => isOver || clock.advance(clock.now() < deadline ? 500 : 10);
    await waitFor(goOn, { what: "the end", intervalMs: 1, timeoutMs: 20_000 });
    await stopped;
    expect(left).toBe(true);
  });

  test("a plugin that ignores the abort does not hang the stop", async () => {
    const bus = await start({
      inputs: [
        inputEntry(
          "in",
          inputOf(() => new Promise(() => {})),
        ),
      ],
      outputs: [outputEntry("out", probeOutput().plugin, ["in"])],
      bus: { stopDeadlineMs: 30 },
    });
    await bus.stop();
    expect(bus.system.status().state).toBe("stopped");
  });

  test("timers fire while packets flow at full rate", async () => {
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ batch: 1 }))],
      outputs: [outputEntry("out", probeOutput().plugin, ["in"])],
    });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await waitFor(() => (bus.wiring.inputs[0]?.stats.packets ?? 0) > 50_000, { what: "50,000" });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
  });
});
