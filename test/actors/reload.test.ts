import { describe, expect, test } from "bun:test";
import { z } from "zod";
import { createScheduler, type Runnable, type Scheduler } from "#src/actor/scheduler.ts";
import type { ActorStatus } from "#src/api/port.ts";
import { DbusError } from "#src/errors.ts";
import { defineFilter, defineOutput } from "#src/plugin/define.ts";
import { createFileSpillStore } from "#src/spill/file-store.ts";
import { memoryState } from "#src/state/memory-state.ts";
import type { State } from "#src/state/state.ts";
import { packetOf } from "../support/packets.ts";
import { counterInput, inputOf, type ProbeOutput, probeOutput } from "../support/probe-plugins.ts";
import { tempDir } from "../support/temp-dir.ts";
import { filterEntry, inputEntry, outputEntry, type TestBus } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();
const scratch = tempDir("reload");

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
      .filter(({ path, strategy }) => path.includes("pipeline/") && strategy === undefined)
      .map(({ path, restarts }) => [path.slice(path.lastIndexOf("/") + 1), restarts]),
  );
}

/** Numbers in order, each once, the first of them `from`. */
function isCounted({ written }: ProbeOutput, from = 1): boolean {
  return written.every((text, i) => Number(text) === from + i);
}

async function moreOf(output: ProbeOutput, count = 1_000): Promise<void> {
  const goal = output.written.length + count;
  await waitFor(() => output.written.length > goal, { what: "more rows" });
}

const input = inputEntry("in", counterInput());

describe("a reload of settings", () => {
  test("starts the changed output anew and touches nobody else (fault 86)", async () => {
    const [changed, same] = [probeOutput(), probeOutput()];
    const other = outputEntry("same", same.plugin, ["f"]);
    const filters = [filterEntry("f", passes, ["in"])];
    const outputs = [outputEntry("changed", changed.plugin, ["in"]), other];
    const bus = await start({ inputs: [input], filters, outputs });
    await moreOf(changed);
    const report = await bus.reload({
      outputs: [outputEntry("changed", changed.plugin, ["in"], { config: { to: "b" } }), other],
    });
    expect(report).toMatchObject({ outcome: "applied", version: 2, rerouted: [] });
    expect(report.changes).toEqual([
      { kind: "output", name: "changed", change: "changed", keys: ["to"], restarts: true },
    ]);
    await moreOf(changed);
    expect([changed.opened, same.opened]).toEqual([2, 1]);
    expect(restarts(bus)).toEqual({ "in.in": 0, router: 0, f: 0, same: 0, changed: 1 });
    expect([isCounted(changed), isCounted(same)]).toEqual([true, true]);
  });

  test("mends an output that could take nothing, and loses nothing of what waited", async () => {
    const out = probeOutput();
    const failing = defineOutput<{ broken?: boolean }, null>({
      ...out.plugin,
      configSchema: z.unknown() as never,
      open(_, config) {
        // Of the kind that is tried again after 30 s at the earliest.
        if (config.broken) throw new DbusError("OUTPUT_REJECTED", "no such broker");
        return null;
      },
      write: (_, packets, context) => out.plugin.write(null, packets, context),
    });
    const entry = (config: object) => outputEntry("out", failing, ["in"], { config });
    const bus = await start({
      inputs: [inputEntry("in", counterInput({ count: 500 }))],
      outputs: [entry({ broken: true })],
    });
    const state = () => bus.admin.stat().outputs[0]?.state;
    await waitFor(() => state() === "blocked", { what: "an output that waits for a person" });
    await bus.reload({ outputs: [entry({})] });
    await waitFor(() => out.written.length === 500, { what: "all that waited" });
    expect([isCounted(out), state()]).toEqual([true, "running"]);
    await bus.reload({ outputs: [entry({ broken: true })] });
    await waitFor(() => state() === "blocked", { what: "a wait of its own" });
    expect(bus.admin.stat().inputs[0]?.state).toBe("finished");
  });

  test("a changed input goes on behind what has arrived, and each row comes once", async () => {
    const [out, other] = [probeOutput(), probeOutput()];
    const outputs = [outputEntry("out", out.plugin, ["in"]), outputEntry("o", other.plugin, ["p"])];
    const still = inputEntry("p", counterInput());
    const bus = await start({ inputs: [input, still], outputs });
    await moreOf(out);
    await bus.reload({ inputs: [{ ...input, config: { rate: 1 } }, still] });
    await moreOf(out);
    expect(restarts(bus)).toEqual({ "in.in": 1, "p.p": 0, router: 0, out: 0, o: 0 });
    expect([isCounted(out), isCounted(other)]).toEqual([true, true]);
  });

  test("everything that ends has ended before anything starts: two outputs may swap a file", async () => {
    const open = new Map<unknown, string>();
    const exclusive = defineOutput<string, string>({
      name: "Exclusive",
      summary: "one of a kind for each config",
      configSchema: z.string(),
      open({ name }, config) {
        if (open.has(config)) throw new Error(`${config} is held by ${open.get(config)}`);
        open.set(config, name);
        return config;
      },
      write: () => undefined,
      close: (config) => void open.delete(config),
    });
    const entry = (name: string, config: string) =>
      outputEntry(name, exclusive, ["in"], { config });
    const bus = await start({ inputs: [input], outputs: [entry("a", "x"), entry("b", "y")] });
    await waitFor(() => open.size === 2, { what: "both are open" });
    await bus.reload({ outputs: [entry("a", "y"), entry("b", "x")] });
    await waitFor(() => open.get("x") === "b" && open.get("y") === "a", { what: "swapped" });
    expect(bus.failures).toEqual([]);
  });

  test("what an operator has paused stays paused, also when the input itself has changed", async () => {
    const out = probeOutput();
    const bus = await start({ inputs: [input], outputs: [outputEntry("out", out.plugin, ["in"])] });
    await moreOf(out);
    await bus.admin.pause("in");
    await bus.reload({ inputs: [{ ...input, config: { rate: 1 } }] });
    await bus.reload({ outputs: [outputEntry("out", out.plugin, ["in", "more"])] });
    await waitFor(() => bus.admin.stat().inputs[0]?.state === "paused", { what: "paused" });
    await bus.admin.resume("in");
    await moreOf(out);
    expect(isCounted(out)).toBe(true);
  });
});

describe("a reload of the graph", () => {
  test("a filter that goes changes no order and sends nothing twice", async () => {
    const [out, same] = [probeOutput(), probeOutput()];
    const late = defineFilter<unknown, null>({
      ...passes,
      configSchema: z.unknown(),
      open: () => null,
      // Later than the packets behind it, were these to go past it.
      apply: async (_, packet, { ident, clock }) => {
        await new Promise<void>((resolve) => void clock.after(1, resolve));
        return { ...packet, ident };
      },
    });
    const other = outputEntry("same", same.plugin, ["in"]);
    const bus = await start({
      inputs: [input],
      filters: [filterEntry("f", late, ["in"])],
      outputs: [outputEntry("out", out.plugin, ["f"]), other],
      bus: { window: { packets: 50, bytes: 1 << 20 } },
    });
    await moreOf(out, 20);
    const report = await bus.reload({
      filters: [],
      outputs: [outputEntry("out", out.plugin, ["in"]), other],
    });
    expect(report.rerouted).toEqual(["in"]);
    await moreOf(out);
    expect(restarts(bus)).toEqual({ "in.in": 0, router: 0, out: 0, same: 0 });
    expect([isCounted(out), isCounted(same), out.opened]).toEqual([true, true, 1]);
  });

  test("a new output waits for nobody: it gets what comes from then on", async () => {
    const [stuck, added] = [probeOutput(), probeOutput()];
    const filters = [filterEntry("f", passes, ["in"])];
    const there = outputEntry("stuck", stuck.plugin, ["in"]);
    const bus = await start({
      inputs: [input],
      outputs: [there],
      bus: { window: { packets: 100, bytes: 1 << 20 } },
    });
    stuck.close();
    await waitFor(() => bus.wiring.inputs[0]?.partitions.inFlight === 100, { what: "a window" });
    const report = await bus.reload({
      filters,
      outputs: [there, outputEntry("added", added.plugin, ["f"])],
    });
    expect([report.outcome, report.rerouted]).toEqual(["applied", []]);
    stuck.open();
    await moreOf(added);
    const numbers = [...new Set(added.written.map(Number))];
    expect(numbers).toEqual(numbers.map((_, i) => (numbers[0] ?? 0) + i));
    expect(isCounted(stuck)).toBe(true);
    expect(restarts(bus)).toMatchObject({ "in.in": 0, router: 0, stuck: 0 });
  });

  test("an output that goes has all that was read for it, and the other one goes on", async () => {
    const [gone, kept] = [probeOutput(), probeOutput()];
    const keeps = outputEntry("kept", kept.plugin, ["in"]);
    const bus = await start({
      inputs: [input],
      outputs: [outputEntry("gone", gone.plugin, ["in"]), keeps],
    });
    await moreOf(kept);
    await bus.reload({ outputs: [keeps] });
    const { length } = gone.written;
    await moreOf(kept);
    expect(gone.written.length).toBe(length);
    expect(kept.written.slice(0, length)).toEqual(gone.written);
    expect([isCounted(gone), isCounted(kept)]).toEqual([true, true]);
    expect(restarts(bus)).toEqual({ "in.in": 0, router: 0, kept: 0 });
  });

  test("one whose packets do not arrive is refused: the old graph goes on, and says who is stuck", async () => {
    const [stuck, other] = [probeOutput(), probeOutput()];
    const outputs = [
      outputEntry("stuck", stuck.plugin, ["in"]),
      outputEntry("other", other.plugin, ["in"]),
    ];
    const bus = await start({ inputs: [input], outputs, bus: { stopDeadlineMs: 1_000 } });
    await moreOf(other);
    stuck.close();
    const refused = await bus.reload({ outputs: outputs.slice(1) }).catch((error) => error);
    expect(refused).toMatchObject({ code: "RELOAD_HELD" });
    expect(refused.message).toContain("stuck has not taken");
    expect(refused.remedy).toContain("mend stuck");
    expect(bus.admin.stat().config).toMatchObject({
      version: 1,
      refused: { code: "RELOAD_HELD", message: refused.message },
    });
    expect(bus.admin.topology().nodes.map(({ name }) => name)).toEqual(["in", "stuck", "other"]);
    stuck.open();
    await moreOf(stuck);
    expect(await bus.reload({})).toMatchObject({ outcome: "applied", version: 2 });
    expect(bus.admin.stat().config.refused).toBeNull();
    await moreOf(other);
    expect([isCounted(stuck), isCounted(other)]).toEqual([true, true]);
    expect(restarts(bus)).toEqual({ "in.in": 0, router: 0, other: 0 });
  });

  test("an input comes, goes with its checkpoint kept, and goes on there when it is back", async () => {
    const out = probeOutput();
    const second = inputEntry("second", counterInput({ ident: "in" }), { idents: ["in"] });
    const quiet = inputEntry(
      "in",
      inputOf(async ({ signal }) => {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      }),
    );
    const bus = await start({ inputs: [quiet], outputs: [outputEntry("out", out.plugin, ["in"])] });
    await bus.reload({ inputs: [quiet, second] });
    await moreOf(out);
    await bus.reload({ inputs: [quiet] });
    const { length } = out.written;
    const [checkpoint] = await bus.state.checkpoints.list({ input: "second", resource: "second" });
    expect(checkpoint?.position).toBe(String(length));
    expect(bus.admin.stat().inputs.map(({ name }) => name)).toEqual(["in"]);
    await bus.reload({ inputs: [quiet, second] });
    await moreOf(out);
    expect(isCounted(out)).toBe(true);
    expect(restarts(bus)).toEqual({ "in.in": 0, "second.second": 0, router: 0, out: 0 });
  });
});

describe("a reload at a bad moment", () => {
  test("an input that changes when it is about to begin is read once, and keeps its order", async () => {
    const out = probeOutput();
    const own = createScheduler();
    const parked: Runnable[] = [];
    let parking = false;
    const scheduler: Scheduler = {
      ready: (one) => (parking ? void parked.push(one) : own.ready(one)),
    };
    let runs = 0;
    const counted = inputOf(async (context) => {
      runs++;
      for (let at = Number(context.resume() ?? 0); at < 100; ) {
        await context.emitBatch([packetOf("in", ++at)]);
      }
    });
    const { promise: reading, resolve: reads } = Promise.withResolvers<void>();
    const { promise: read, resolve: goOn } = Promise.withResolvers<void>();
    const state = memoryState();
    const checkpoints: State["checkpoints"] = {
      ...state.checkpoints,
      async list(of) {
        reads();
        await read;
        return state.checkpoints.list(of);
      },
    };
    const bus = await start({
      ...{ inputs: [inputEntry("in", counted)], scheduler, state: { ...state, checkpoints } },
      outputs: [outputEntry("out", out.plugin, ["in"])],
      bus: { window: { packets: 4, bytes: 1 << 20 } },
    });
    await reading;
    parking = true;
    goOn();
    // It has read its checkpoints, and what says so waits in its mailbox.
    await waitFor(() => parked.length > 0, { what: "the message" });
    parking = false;
    await bus.reload({ inputs: [inputEntry("in", counted, { config: { other: 1 } })] });
    for (const one of parked) own.ready(one);
    await waitFor(() => bus.admin.stat().inputs[0]?.state === "finished", { what: "its end" });
    await waitFor(() => bus.admin.stat().inputs[0]?.inFlight === 0, { what: "all of it" });
    expect(runs).toBe(1);
    expect([out.written.length, isCounted(out)]).toEqual([100, true]);
    expect(restarts(bus)).toMatchObject({ "in.in": 1 });
  });

  test("what is still being opened for the one before is closed once it is open", async () => {
    const out = probeOutput();
    const [opened, closed]: [string[], string[]] = [[], []];
    const { promise: slow, resolve: goOn } = Promise.withResolvers<void>();
    /** The first of each kind takes long. */
    const openAs = async (name: string) => {
      const first = !opened.includes(name);
      opened.push(name);
      if (first) await slow;
      return first ? `${name} 1` : `${name} 2`;
    };
    const close = (name: unknown) => void closed.push(String(name));
    const { plugin } = out;
    const sink = defineOutput({ ...plugin, ...{ open: () => openAs("out"), close } });
    const filter = defineFilter({ ...passes, ...{ open: () => openAs("f"), close } } as never);
    // Its logs are opened one after the other: the second one when the first is closed.
    const files = createFileSpillStore(scratch);
    const spills: State["spills"] = {
      ...files,
      async open(name, options) {
        const log = await files.open(name, options);
        await openAs("log");
        return log;
      },
    };
    const disk = { kind: "disk", bytesMax: 1 << 20 } as const;
    const entries = (config: object) => ({
      filters: [filterEntry("f", filter, ["in"], { config })],
      outputs: [outputEntry("out", sink, ["f"], { config, buffer: disk })],
    });
    const inputs = [inputEntry("in", counterInput({ count: 100 }))];
    const state = { ...memoryState(), spills };
    const bus = await start({ inputs, state, ...entries({}) });
    await waitFor(() => opened.length === 3, { what: "all that opens" });
    await bus.reload(entries({ other: 1 }));
    goOn();
    await waitFor(() => out.written.length === 100, { what: "all of it" });
    expect(closed.toSorted()).toEqual(["f 1", "out 1"]);
    expect(isCounted(out)).toBe(true);
  });

  test("an edge that was empty and is to go is so again before it goes", async () => {
    const [out, other] = [probeOutput(), probeOutput()];
    const { promise: committing, resolve: begin } = Promise.withResolvers<void>();
    const { promise: sent, resolve: commit } = Promise.withResolvers<void>();
    const state = memoryState();
    const checkpoints: State["checkpoints"] = {
      ...state.checkpoints,
      async commit(commits) {
        begin();
        await sent;
        await state.checkpoints.commit(commits);
      },
    };
    const one = inputOf(({ emitBatch }) => Promise.resolve(emitBatch([packetOf("gone", 1)])));
    const late = inputOf(async ({ emitBatch }) => {
      await committing;
      await emitBatch([packetOf("in", 1), packetOf("in", 2)]);
    });
    const inputs = [inputEntry("in", late)];
    const entry = (bytesMax: number) =>
      outputEntry("out", out.plugin, ["in"], { buffer: { kind: "memory", bytesMax } });
    const both = (bytesMax: number) => [
      entry(bytesMax),
      outputEntry("other", other.plugin, ["gone"]),
    ];
    const bus = await start({
      ...{ inputs: [...inputs, inputEntry("gone", one)], outputs: both(4096) },
      ...{ state: { ...state, checkpoints }, bus: { checkpointIntervalMs: 600_000 } },
    });
    await waitFor(() => other.written.length === 1, { what: "what is to be committed" });
    out.close();
    // The credit of its edge changes, so there is another one, and nothing is on the one there was.
    const reload = bus.reload({ inputs, outputs: both(0) });
    const edge = () => bus.wiring.router.outlet.edges.find(({ to }) => to === "out");
    const before = edge();
    await waitFor(() => before?.unsettled().size === 1, { what: "two on the edge that is to go" });
    expect(bus.wiring.inputs[0]?.partitions.held).toBe(false);
    commit();
    await waitFor(() => bus.wiring.inputs[0]?.partitions.held, { what: "a reload that waits" });
    expect(edge()).toBe(before);
    out.open();
    expect(await reload).toMatchObject({ outcome: "applied" });
    expect(edge()).not.toBe(before);
    expect(out.written).toEqual(["1", "2"]);
    expect(bus.failures).toEqual([]);
  });
});

describe("a reload and what else is asked for", () => {
  test("two at once are done one after the other, and the second finds nothing to do", async () => {
    const out = probeOutput();
    const bus = await start({ inputs: [input], outputs: [outputEntry("out", out.plugin, ["in"])] });
    const outputs = [outputEntry("out", out.plugin, ["in"], { config: 2 })];
    const both = await Promise.all([bus.reload({ outputs }), bus.reload({ outputs })]);
    expect(both.map(({ outcome, version }) => [outcome, version])).toEqual([
      ["applied", 2],
      ["unchanged", 2],
    ]);
    expect(restarts(bus)).toMatchObject({ out: 1 });
  });

  test("during a stop it changes nothing any more, and holds up nothing", async () => {
    const out = probeOutput();
    const outputs = [outputEntry("out", out.plugin, ["in"])];
    const bus = await start({ inputs: [input], outputs, bus: { stopDeadlineMs: 200 } });
    await moreOf(out);
    out.close();
    const reload = bus.reload({ outputs: [outputEntry("new", out.plugin, ["in"])] });
    const refused = reload.catch((error: DbusError) => error.code);
    await waitFor(() => bus.wiring.inputs[0]?.partitions.held, { what: "a reload that waits" });
    await bus.stop();
    expect(await refused).toMatch(/^(ACTOR_UNAVAILABLE|RELOAD_HELD)$/);
    expect(bus.admin.topology().nodes.map(({ name }) => name)).toEqual(["in", "out"]);
  });

  test("dead letters find the nodes that are there: gone ones are named, new ones take theirs", async () => {
    const out = probeOutput();
    out.answers.push(() => ({ failed: new Error("refused") }));
    const three = inputOf(async (context) => {
      if (context.resume() === null) await context.emitBatch([packetOf("in", 1)]);
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    });
    const named = (name: string) => [outputEntry(name, out.plugin, ["in"])];
    const bus = await start({ inputs: [inputEntry("in", three)], outputs: named("out") });
    await waitFor(() => bus.admin.stat().deadLetters === 1, { what: "a dead letter" });
    const ids = bus.admin.deadLetters({ limit: 10 }).map(({ id }) => id);
    await bus.reload({ outputs: named("other") });
    await expect(bus.admin.redrive(ids)).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: "no node out any more",
    });
    await bus.reload({ outputs: [...named("other"), ...named("out")] });
    expect(await bus.admin.redrive(ids)).toEqual({ delivered: 1, failed: 0, outOfOrder: [] });
    expect(out.written).toEqual(["1"]);
  });
});
