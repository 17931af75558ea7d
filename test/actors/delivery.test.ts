import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { DbusError } from "#src/errors.ts";
import { defineFilter } from "#src/plugin/define.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { packetOf } from "../support/packets.ts";
import { counterInput, inputOf, probeOutput } from "../support/probe-plugins.ts";
import { filterEntry, inputEntry, outputEntry, startTestBus } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();

const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));

describe("delivery", () => {
  test("everything arrives in order, and the checkpoint follows it", async () => {
    const out = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 1000 }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    await waitFor(() => out.written.length === 1000, { what: "1000 packets" });
    expect(out.written).toEqual(numbers(1000));
    await bus.stop();
    expect((await bus.state.checkpoints.list())[0]).toMatchObject({
      input: "in",
      position: "1000",
    });
  });

  test("the next start goes on behind the checkpoint and repeats nothing that was committed", async () => {
    const state = memoryState();
    const first = probeOutput();
    const inputs = [inputEntry("in", counterInput({ count: 300 }))];
    const one = await startTestBus({
      state,
      inputs,
      outputs: [outputEntry("out", first.plugin, ["in"])],
    });
    await waitFor(() => first.written.length === 300, { what: "the first run" });
    await one.stop();
    const second = probeOutput();
    const more = [inputEntry("in", counterInput({ count: 310 }))];
    await start({ state, inputs: more, outputs: [outputEntry("out", second.plugin, ["in"])] });
    await waitFor(() => second.written.length === 10, { what: "the second run" });
    expect(second.written).toEqual(numbers(310).slice(300));
  });

  test("a success that overtakes a failure never takes the checkpoint with it", async () => {
    const good = probeOutput();
    const bad = probeOutput();
    bad.close();
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 50 }))],
      outputs: [outputEntry("good", good.plugin, ["in"]), outputEntry("bad", bad.plugin, ["in"])],
      bus: { stopDeadlineMs: 50 },
    });
    await waitFor(() => good.written.length === 50, { what: "the good output" });
    await bus.stop();
    expect(await bus.state.checkpoints.list()).toEqual([]);
  });

  test("a retried packet goes before anything newer of its partition (invariant 3)", async () => {
    const out = probeOutput();
    let refused = 0;
    out.answers.push(({ position }) =>
      Number(position) >= 5 && ++refused > 0
        ? { retryAfterMs: 1, error: new Error("later") }
        : "done",
    );
    await start({
      inputs: [inputEntry("in", counterInput({ count: 100 }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    await waitFor(() => out.written.length === 100, { what: "all" });
    expect(refused).toBeGreaterThan(0);
    expect(out.written).toEqual(numbers(100));
  });

  test("an input that failed does not go on telling how far behind it was before", async () => {
    const broken = inputOf((context) => {
      context.reportLag({ seconds: 0, bytes: 0 });
      return Promise.reject(new DbusError("MYSQL_ACCESS_DENIED", "no"));
    });
    const out = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", broken)],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    const status = () => bus.admin.stat().inputs[0];
    await waitFor(() => status()?.state === "blocked", { what: "the failure" });
    expect(status()).toMatchObject({ lagSeconds: null, lagBytes: null });
  });

  test("what is refused for good is in the dead letters, and the rest goes on", async () => {
    const out = probeOutput();
    out.answers.push(({ position }) =>
      position === 3 ? { failed: new DbusError("OUTPUT_REJECTED", "too large") } : "done",
    );
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 10 }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    await waitFor(
      () => bus.wiring.inputs[0]?.partitions.inFlight === 0 && out.written.length === 9,
      {
        what: "nine packets",
      },
    );
    expect(bus.state.deadLetters.list()).toMatchObject([
      { node: "out", input: "in", position: "3", code: "OUTPUT_REJECTED", reason: "too large" },
    ]);
    expect(out.written).not.toContain("3");
    expect(await bus.admin.redrive([1])).toMatchObject({ delivered: 1, failed: 0 });
    expect(out.written.at(-1)).toBe("3");
    expect(bus.state.deadLetters.get(1)?.redrivenAt).not.toBeNull();
  });

  test("an output that blocks on failure holds everything and loses nothing", async () => {
    const out = probeOutput();
    const failed = { failed: new Error("no") };
    out.answers.push(
      () => failed,
      () => failed,
    );
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 10 }))],
      outputs: [outputEntry("out", out.plugin, ["in"], { onFailed: "block" })],
    });
    await waitFor(() => out.written.length === 10, { what: "all after two refusals" });
    expect(out.written).toEqual(numbers(10));
    expect(bus.state.deadLetters.count()).toBe(0);
  });

  test("an output that crashes is opened again and given what it had not settled (invariant 6)", async () => {
    const out = probeOutput();
    out.answers.push(() => "done", new Error("broken pipe"));
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 200 }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    await waitFor(() => new Set(out.written).size === 200, { what: "all" });
    expect(out.opened).toBe(2);
    expect(out.written).toEqual(numbers(200));
    expect(bus.failures.map(({ path }) => path)).toEqual(["engine/pipeline/outputs/out"]);
  });

  test("a filter that throws sends the packet to the dead letters under its own name", async () => {
    const out = probeOutput();
    const filter = defineFilter<unknown, null>({
      name: "Picky",
      summary: "throws on 7",
      configSchema: z.unknown(),
      open: () => null,
      apply(_, packet, { ident }) {
        if (packet.position === 7) throw new Error("seven");
        return { ...packet, ident };
      },
    });
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 20 }))],
      filters: [filterEntry("picky", filter, ["in"])],
      outputs: [outputEntry("out", out.plugin, ["picky"])],
    });
    await waitFor(() => out.written.length === 19, { what: "nineteen" });
    expect(bus.state.deadLetters.list()).toMatchObject([
      { node: "picky", code: "FILTER_FAILED", reason: "seven" },
    ]);
  });

  test("an ident without a match is counted, named and acked, or stops its input", async () => {
    const out = probeOutput();
    const inputs = [inputEntry("in", counterInput({ count: 5, ident: "nobody" }))];
    const outputs = [outputEntry("out", out.plugin, ["in"])];
    const dropping = await start({ inputs, outputs });
    await waitFor(() => dropping.admin.stat().unrouted.packets === 5, { what: "five dropped" });
    expect(dropping.admin.stat().unrouted.idents).toEqual(["nobody"]);
    await dropping.stop();
    expect((await dropping.state.checkpoints.list())[0]?.position).toBe("5");
    const failing = await start({
      inputs,
      outputs,
      bus: { onUnrouted: "fail", stopDeadlineMs: 50 },
    });
    await waitFor(() => failing.admin.stat().inputs[0]?.lastError?.code === "UNROUTED", {
      what: "the input fails",
    });
    await failing.stop();
    expect(await failing.state.checkpoints.list()).toEqual([]);
  });

  test("deliver tells its caller when, and how, its packets ended", async () => {
    const out = probeOutput();
    const heard: string[] = [];
    out.answers.push(
      () => "done",
      () => ({ failed: new Error("no") }),
    );
    await start({
      inputs: [
        inputEntry(
          "in",
          inputOf(async (context) => {
            heard.push(await context.deliver([packetOf("in", 1), packetOf("in", 2)]));
            heard.push(await context.deliver([packetOf("in", 3)]));
          }),
        ),
      ],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    await waitFor(() => heard.length === 2, { what: "both" });
    expect(heard).toEqual(["delivered", "deadlettered"]);
  });

  test("a checkpoint under a newer epoch fences the input: it stops and stays down (invariant 7)", async () => {
    const state = memoryState();
    const key = { input: "in", resource: "in", partition: "0" };
    await state.checkpoints.commit([{ ...key, position: "0", epoch: 2 }]);
    const out = probeOutput();
    const bus = await start({
      state,
      inputs: [inputEntry("in", counterInput())],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    await waitFor(() => bus.failures.some(({ error }) => error.code === "STALE_EPOCH"), {
      what: "the fence",
    });
    expect((await state.checkpoints.get(key))?.position).toBe("0");
  });
});

describe("checkpoints by hand", () => {
  const key = { input: "in", resource: "in", partition: "0" };

  test("setting one reads on from there, resetting one from the start", async () => {
    const out = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 20 }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    await waitFor(() => out.written.length === 20, { what: "the first run" });
    await bus.admin.setCheckpoint(key, 15);
    await waitFor(() => out.written.length === 25, { what: "five again" });
    expect(out.written.slice(20)).toEqual(numbers(20).slice(15));
    await bus.admin.resetCheckpoint(key);
    await waitFor(() => out.written.length === 45, { what: "all again" });
    expect(out.written.slice(25)).toEqual(numbers(20));
  });

  test("a name that is not there is answered with NOT_FOUND", async () => {
    const out = probeOutput();
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 1 }))],
      outputs: [outputEntry("out", out.plugin, ["in"])],
    });
    const nobody = { ...key, input: "nobody" };
    await expect(bus.admin.setCheckpoint(nobody, 1)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(bus.admin.pause("nobody")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(bus.admin.redrive([99])).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(() => bus.admin.deadLetter(99)).toThrow("no dead letter 99");
  });
});
