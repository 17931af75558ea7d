import { expect, test } from "bun:test";
import { compileGraph } from "#src/config/compile.ts";
import type { FilterEntry, InputEntry, OutputEntry } from "#src/config/config.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { PartitionSet } from "#src/flow/partition-set.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { textOf } from "../support/packets.ts";
import { type Random, seededRandom, testSeed } from "../support/random.ts";
import { createSeededScheduler } from "../support/seeded-scheduler.ts";
import { startTestBus, type TestBus } from "../support/test-bus.ts";
import { input, randomTopology, type Topology } from "./topology.ts";

/*
 * Random buses whose resources are taken away, and paused, at any step of any actor and in between.
 * One that was taken away comes back under its next right, and reads on from what is committed.
 * Packets are called `input/right:number`.
 */
const runs = Number(process.env.DBUS_FENCES ?? 150);
const ROUNDS_MAX = 300_000;

type Mood = "free" | "paused" | "wavers";

/** What was true of a resource when it was fenced. */
type Fenced = {
  readonly set: PartitionSet;
  readonly watermark: unknown;
  readonly deadLetters: number;
};

/** What is known of rights from the outside, and what was written against them. */
type Rights = {
  readonly fenced: Map<string, Fenced>;
  readonly moods: Map<string, Mood>;
  /** What whoever asked last was told. */
  readonly told: Map<string, boolean>;
  readonly wrong: string[];
  inFlight: number;
  held: number;
};

const labelOf = (packet: Packet) => textOf(packet).split(":")[0] as string;

function rights(): Rights {
  const maps = { fenced: new Map(), moods: new Map(), told: new Map() };
  return { ...maps, wrong: [], inFlight: 0, held: 0 };
}

/** An input that reads under its next right from what was committed under the one before. */
function heir(entry: InputEntry, topology: Topology, random: Random, from?: () => number) {
  const right = Number((entry.config as { right?: number }).right ?? -1) + 1;
  const label = `${entry.name}/${right}`;
  const count = topology.counts.get(entry.name) as number;
  const plugin = input(label, count, entry.idents, random, { breaks: true, ...(from && { from }) });
  const resources = () => [{ id: `${right}`, label }];
  return { ...entry, config: { right }, plugin: { ...plugin, resources } };
}

/** An output that watches what it is given. */
function watched(entry: OutputEntry, known: Rights, random: Random): OutputEntry {
  const { plugin, name } = entry;
  const sinkFences = random.chance(0.2);
  const batch = { ...entry.batch, lingerMs: random.pick([0, 0, 30]) };
  const write: typeof plugin.write = (state, packets, context) => {
    for (const label of new Set(packets.map(labelOf))) {
      if (known.fenced.has(label)) known.wrong.push(`${name} was given ${label}, which is fenced`);
      if (!sinkFences && known.told.get(label) === false) {
        known.wrong.push(`${name} was given ${label}, which may not emit`);
      }
    }
    return plugin.write(state, packets, context);
  };
  // What it says of packets that are fenced when it has written them must count for nothing.
  const refusing: typeof write = async (state, packets, context) => {
    const verdicts = await write(state, packets, context);
    return packets.map((packet, i) =>
      known.fenced.has(labelOf(packet)) ? { failed: new Error("no") } : (verdicts?.[i] ?? "done"),
    );
  };
  const some = random.chance(0.5) ? refusing : write;
  return { ...entry, batch, plugin: { ...plugin, sinkFences, write: some } };
}

/** A filter that watches what it is given. */
function watchedFilter(entry: FilterEntry, known: Rights): FilterEntry {
  const { plugin, name } = entry;
  const apply: typeof plugin.apply = (state, packet, context) => {
    const label = labelOf(packet);
    if (known.fenced.has(label)) known.wrong.push(`${name} was given ${label}, which is fenced`);
    return plugin.apply(state, packet, context);
  };
  return { ...entry, plugin: { ...plugin, apply } };
}

/** A buffer on disk takes packets over for good: a configuration with a cluster cannot have one. */
function withoutBuffers(topology: Topology): Topology {
  const buffer = { kind: "memory", bytesMax: 0 } as const;
  return { ...topology, outputs: topology.outputs.map((output) => ({ ...output, buffer })) };
}

async function simulate(seed: number): Promise<Rights> {
  const random = seededRandom(seed);
  const topology = withoutBuffers(randomTopology(random));
  const known = rights();
  const clock = createManualClock();
  const scheduler = createSeededScheduler(random.next);
  let inputs = topology.inputs.map((entry) => heir(entry, topology, random));
  const bus = await startTestBus({
    ...topology,
    inputs,
    filters: topology.filters.map((entry) => watchedFilter(entry, known)),
    outputs: topology.outputs.map((entry) => watched(entry, known, random)),
    bus: {
      window: { packets: random.int(1, 40), bytes: random.int(300, 5_000) },
      edge: { packets: random.int(1, 20), bytes: random.int(300, 5_000) },
      checkpointIntervalMs: random.pick([20, 5_000]),
      stopDeadlineMs: 600_000,
    },
    clock,
    scheduler,
    random: random.next,
  });
  obey(bus, known, random);
  const lost = new Set<string>();
  let fencesLeft = random.int(0, 4);
  let moodsLeft = random.int(0, 12);
  let reloading = false;

  async function reload(): Promise<void> {
    reloading = true;
    const gone = new Set(lost);
    const committed = new Map<string, number>();
    for (const one of await bus.state.checkpoints.list()) {
      const least = Math.max(Number(one.position), committed.get(one.input) ?? 0);
      committed.set(one.input, least);
    }
    const next = inputs.map((entry) => {
      const { name } = entry;
      if (!gone.has(name)) return entry;
      return heir(entry, topology, random, () => committed.get(name) ?? 0);
    });
    try {
      await bus.reload({ inputs: next });
      inputs = next;
      for (const name of gone) lost.delete(name);
      obey(bus, known, random);
    } catch (error) {
      if (!String(error).includes("in flight")) throw error;
    } finally {
      reloading = false;
    }
  }

  /** May happen between any two steps. */
  function happen(): void {
    const node = random.pick(bus.wiring.inputs);
    const label = `${node.entry.name}/${node.resource.id}`;
    // Most of the time once something is on its way.
    if (node.stats.packets === 0 && random.chance(0.9)) return;
    if (fencesLeft > 0 && !reloading && !lost.has(node.entry.name) && random.chance(0.02)) {
      fencesLeft--;
      known.inFlight += node.partitions.inFlight > 0 ? 1 : 0;
      const watermark = node.partitions.get("0").ledger.watermark();
      const deadLetters = lettersOf(bus, label);
      known.fenced.set(label, { set: node.partitions, watermark, deadLetters });
      node.partitions.fence();
      lost.add(node.entry.name);
      if (node.partitions.inFlight > 0) throw new Error("a fenced resource is not drained");
    } else if (moodsLeft > 0 && random.chance(0.05)) {
      moodsLeft--;
      setMood(known, label, random.pick(["free", "paused", "wavers"]));
      if (random.chance(0.5)) tell(bus);
    }
  }

  let last: Promise<void> = Promise.resolve();
  for (let round = 0; ; round++) {
    if (round > ROUNDS_MAX) throw new Error(`no end at ${clock.now()} ms: ${stuckAt(bus)}`);
    while (scheduler.step()) {
      checkBounds(bus);
      happen();
    }
    await settleMicrotasks(happen);
    if (lost.size > 0 && !reloading && random.chance(0.2)) last = reload();
    if (bus.wiring.outputs.some(({ stats }) => stats.note?.startsWith("holding"))) known.held++;
    if (!scheduler.step()) clock.advanceToNext();
    await settleMicrotasks(happen);
    // A time comes when whoever is left may go on.
    if (random.chance(0.01)) {
      for (const label of known.moods.keys()) setMood(known, label, "free");
    }
    if (!reloading && lost.size === 0 && isFinished(bus)) break;
  }
  await last;
  checkOutcome(topology, bus, known);
  await checkFenced(bus, known);
  void bus.stop();
  return known;
}

function setMood(known: Rights, label: string, mood: Mood): void {
  known.moods.set(label, mood);
  known.told.set(label, mood !== "paused");
}

/** Lets the resources of a bus ask for their right; in doubt they hear this and that. */
function obey({ wiring }: TestBus, known: Rights, random: Random): void {
  for (const { entry, resource, partitions } of wiring.inputs) {
    const label = `${entry.name}/${resource.id}`;
    partitions.mayEmit = () => {
      const mood = known.moods.get(label) ?? "free";
      const may = mood === "free" || (mood === "wavers" && random.chance(0.5));
      known.told.set(label, may);
      return may;
    };
  }
}

function tell({ wiring }: TestBus): void {
  for (const { ref } of wiring.outputs) ref.signal({ kind: "emission" });
}

async function settleMicrotasks(happen: () => void): Promise<void> {
  for (let i = 0; i < 12; i++) {
    await Promise.resolve();
    happen();
  }
}

function isFinished({ wiring }: TestBus): boolean {
  return wiring.inputs.every(
    ({ stats, partitions }) => stats.state === "finished" && partitions.inFlight === 0,
  );
}

function stuckAt({ admin }: TestBus): string {
  const { inputs, filters, outputs } = admin.stat();
  return JSON.stringify({ inputs, filters, outputs }, null, 1);
}

function checkBounds({ wiring }: TestBus): void {
  for (const { partitions } of wiring.inputs) {
    if (partitions.inFlight > partitions.window.packets) throw new Error("beyond the window");
  }
}

/** How each input gets to outputs without a filter that drops. */
function reaches({ inputs, filters, outputs }: Topology, name: string): Set<string> {
  const { edges } = compileGraph({ inputs, filters, outputs });
  const lossless = new Set(
    filters.filter(({ plugin }) => !/drop|bad/.test(plugin.summary)).map((one) => one.name),
  );
  const seen = new Set<string>([name]);
  for (const node of seen) {
    if (node !== name && !lossless.has(node)) continue;
    for (const { from, to } of edges) if (from === node) seen.add(to);
  }
  return seen;
}

/**
 * Nothing was written against a right, nothing is lost, order is kept over the rights of an input,
 * and nothing of what was fenced is left anywhere.
 */
function checkOutcome(topology: Topology, bus: TestBus, known: Rights): void {
  expect(known.wrong).toEqual([]);
  expect(bus.failures.filter(({ error }) => error.code === "INVARIANT")).toEqual([]);
  const dropsNothing = topology.filters.every(({ plugin }) => !/drop|bad/.test(plugin.summary));
  for (const { name, idents } of topology.inputs) {
    if (idents.length > 1) continue;
    const reached = reaches(topology, name);
    for (const [output, written] of topology.written) {
      if (!reached.has(output)) continue;
      const numbers = new Set<number>();
      for (const text of written) {
        const [label, number] = text.split(":") as [string, string];
        if (label.split("/")[0] !== name || numbers.has(Number(number))) continue;
        numbers.add(Number(number));
        if (dropsNothing) expect(numbers.size).toBe(Number(number));
      }
      expect(numbers.size).toBe(topology.counts.get(name) as number);
    }
  }
  for (const edge of bus.wiring.edges) expect(edge.unsettled().size).toBe(0);
  const mail = JSON.stringify(bus.admin.supervisor(), ["children", "mailbox", "bytes"]);
  expect(mail).not.toMatch(/"bytes":[1-9]/);
}

function lettersOf({ state }: TestBus, label: string): number {
  const all = state.deadLetters.list({ limit: 10_000 });
  return all.filter((one) => `${one.input}/${one.resource}` === label).length;
}

/** Under a right that was gone no watermark moved, no checkpoint, and nothing was put aside. */
async function checkFenced(bus: TestBus, known: Rights): Promise<void> {
  for (const [label, { set, watermark, deadLetters }] of known.fenced) {
    expect(set.get("0").ledger.watermark()).toBe(watermark as number);
    expect(lettersOf(bus, label)).toBe(deadLetters);
  }
  for (const { input: name, resource, position } of await bus.state.checkpoints.list()) {
    const fenced = known.fenced.get(`${name}/${resource}`);
    if (fenced) expect(Number(position)).toBeLessThanOrEqual(Number(fenced.watermark));
  }
}

test(`${runs} random buses whose resources are fenced and paused: nothing goes out against a right, nothing is lost`, async () => {
  const random = seededRandom(testSeed("fences"));
  const only = process.env.DBUS_FENCE;
  let fenced = 0;
  let inFlight = 0;
  let held = 0;
  for (let i = 0; i < runs; i++) {
    const seed = only ? Number(only) : random.int(0, 2 ** 31 - 1);
    try {
      const known = await simulate(seed);
      fenced += known.fenced.size;
      inFlight += known.inFlight;
      held += known.held;
    } catch (error) {
      const text = `bus ${i}, DBUS_FENCE=${seed} repeats it alone: ${error}`;
      throw new Error(text, { cause: error });
    }
    if (only) return;
  }
  // Else it would show little.
  expect(fenced).toBeGreaterThan(runs / 2);
  expect(inFlight).toBeGreaterThan(runs / 4);
  expect(held).toBeGreaterThan(runs);
}, 600_000);
