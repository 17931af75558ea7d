// test-timeout: 15m
import { expect, test } from "bun:test";
import { compileGraph } from "#src/config/compile.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { type Random, seededRandom, testSeed } from "../support/random.ts";
import { createSeededScheduler } from "../support/seeded-scheduler.ts";
import { startTestBus, type TestBus } from "../support/test-bus.ts";
import { buffersEmpty, randomTopology, type Topology } from "./topology.ts";

const topologies = Number(process.env.DBUS_TOPOLOGIES ?? 10_000);
/** A bus of slow sinks, little credit and many forks takes tens of thousands; one that hangs takes all. */
const ROUNDS_MAX = 300_000;

/** How often each packet of an input must at least be in an output: on some way without a drop. */
function reaches({ inputs, filters, outputs }: Topology): Map<string, Set<string>> {
  const { edges } = compileGraph({ inputs, filters, outputs });
  const found = new Map<string, Set<string>>();
  const lossless = new Set(
    filters.filter(({ plugin }) => !/drop|bad/.test(plugin.summary)).map(({ name }) => name),
  );
  for (const { name } of inputs) {
    const seen = new Set<string>();
    const open = [name];
    for (let node = open.pop(); node; node = open.pop()) {
      for (const { from, to } of edges) {
        if (from !== node || seen.has(to)) continue;
        seen.add(to);
        if (lossless.has(to)) open.push(to);
      }
    }
    found.set(name, seen);
  }
  return found;
}

async function settleMicrotasks(): Promise<void> {
  for (let i = 0; i < 12; i++) await Promise.resolve();
}

/** Runs a random bus to its end, with a restart of a random actor now and then. */
async function simulate(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const topology = randomTopology(random);
  const clock = createManualClock();
  const scheduler = createSeededScheduler(random.next);
  const bus = await startTestBus({
    ...topology,
    bus: {
      window: { packets: random.int(1, 40), bytes: random.int(300, 5_000) },
      edge: { packets: random.int(1, 20), bytes: random.int(300, 5_000) },
      checkpointIntervalMs: 5_000,
    },
    clock,
    scheduler,
    random: random.next,
  });
  let finished = false;
  for (let round = 0; round < ROUNDS_MAX && !finished; round++) {
    while (scheduler.step()) checkBounds(bus);
    await settleMicrotasks();
    if (!scheduler.step()) clock.advanceToNext();
    await settleMicrotasks();
    finished = isFinished(bus);
  }
  if (!finished)
    throw new Error(`it does not come to its end at ${clock.now()} ms: ${stuckAt(bus)}`);
  checkOutcome(topology, bus);
  void bus.stop();
}

function isFinished({ wiring }: TestBus): boolean {
  const settled = wiring.inputs.every(
    ({ stats, partitions }) => stats.state === "finished" && partitions.inFlight === 0,
  );
  return settled && buffersEmpty(wiring);
}

/** What a person needs to see of a bus that stands still. */
function stuckAt({ admin, failures }: TestBus): string {
  const { inputs, filters, outputs } = admin.stat();
  const last = failures.slice(-3).map(({ path, error }) => `${path}: ${error.message}`);
  const tree = JSON.stringify(admin.supervisor(), [
    "path",
    "state",
    "restarts",
    "children",
    "mailbox",
    "depth",
  ]);
  return JSON.stringify(
    { inputs, filters, outputs, failures: failures.length, last, tree },
    null,
    1,
  );
}

function checkBounds({ wiring }: TestBus): void {
  for (const { partitions } of wiring.inputs) {
    if (partitions.inFlight > partitions.window.packets) throw new Error("beyond the window");
  }
}

/**
 * Nothing lost: every number of an input is in each output that it reaches without a filter that
 * drops. Order kept: where nothing is dropped on purpose, a number comes for the first time only
 * after all numbers below it have come, whatever was sent again in between.
 */
function checkOutcome(topology: Topology, bus: TestBus): void {
  const reach = reaches(topology);
  const dropsNothing = topology.filters.every(({ plugin }) => !/drop|bad/.test(plugin.summary));
  for (const { name: output } of topology.outputs) {
    const written = topology.written.get(output) as string[];
    for (const { name, idents } of topology.inputs) {
      if (!reach.get(name)?.has(output) || idents.length > 1) continue;
      const numbers = new Set<number>();
      for (const text of written) {
        const [input, number] = text.split(":");
        if (input !== name || numbers.has(Number(number))) continue;
        numbers.add(Number(number));
        if (dropsNothing) expect(numbers.size).toBe(Number(number));
      }
      expect(numbers.size).toBe(topology.counts.get(name) as number);
    }
  }
  expect(bus.failures.filter(({ error }) => error.code === "INVARIANT")).toEqual([]);
}

test(`${topologies} random topologies: no loss, no deadlock, nothing beyond its bounds`, async () => {
  const base = testSeed("topologies");
  const random: Random = seededRandom(base);
  const only = process.env.DBUS_TOPOLOGY;
  for (let i = 0; i < topologies; i++) {
    const seed = only ? Number(only) : random.int(0, 2 ** 31 - 1);
    try {
      await simulate(seed);
    } catch (error) {
      throw new Error(`topology ${i}, DBUS_TOPOLOGY=${seed} repeats it alone: ${error}`, {
        cause: error,
      });
    }
    if (only) return;
  }
}, 600_000);
