import { expect, test } from "bun:test";
import { createMemoryCheckpointStore } from "#src/checkpoint/memory-store.ts";
import type { CheckpointStore, Commit } from "#src/checkpoint/store.ts";
import type { InputEntry, OutputEntry } from "#src/config/config.ts";
import { DbusError } from "#src/errors.ts";
import { createMemorySpillStore, type MemorySpillStore } from "#src/spill/memory-log.ts";
import { createBatchDecoder } from "#src/spill/spill-codec.ts";
import type { SpillStore } from "#src/spill/spill-log.ts";
import { memoryState } from "#src/state/memory-state.ts";
import type { State } from "#src/state/state.ts";
import { createManualClock, type ManualClock } from "../support/manual-clock.ts";
import { textOf } from "../support/packets.ts";
import { type Random, seededRandom, testSeed } from "../support/random.ts";
import { createSeededScheduler } from "../support/seeded-scheduler.ts";
import { filterEntry, startTestBus, type TestBus } from "../support/test-bus.ts";
import { buffersEmpty, gatheringFilter, randomTopology, type Topology } from "./topology.ts";

/*
 * Buses that crash whole: at any step of any actor, within a commit, before it is durable and after
 * it. What is left is what a disk would have: the checkpoints, and what the sinks have written.
 */
const lives = Number(process.env.DBUS_CRASHES ?? 300);
const STEPS_MAX = 300_000;

/** A store whose commits take a while, fail now and then, and are durable before they are told. */
function wobblyStore(inner: CheckpointStore, clock: ManualClock, random: Random) {
  const durable = new Map<string, number>();
  let dead = false;
  const wait = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
  const store: CheckpointStore = {
    ...inner,
    async commit(commits: readonly Commit[]) {
      await wait(random.int(0, 20));
      if (dead || random.chance(0.1)) {
        throw new DbusError("STATE_UNWRITABLE", "the disk refuses");
      }
      await inner.commit(commits);
      for (const { input, position } of commits) durable.set(input, Number(position));
      await wait(random.int(0, 20));
    },
  };
  return {
    store,
    durable,
    /** From now on nothing becomes durable any more. */
    kill() {
      dead = true;
    },
  };
}

/** Buffers whose appends take a while and fail now and then; what is not durable at a kill is lost. */
function wobblySpills(inner: MemorySpillStore, clock: ManualClock, random: Random) {
  let dead = false;
  const wait = (ms: number) => new Promise<void>((resolve) => void clock.after(ms, resolve));
  const store: SpillStore = {
    ...inner,
    async open(name, options) {
      const log = await inner.open(name, options);
      return {
        ...log,
        get packets() {
          return log.packets;
        },
        get bytes() {
          return log.bytes;
        },
        get acked() {
          return log.acked;
        },
        async append(bodies) {
          await wait(random.int(0, 20));
          if (dead || random.chance(0.1)) {
            throw new DbusError("SPILL_UNWRITABLE", "the disk refuses");
          }
          await log.append(bodies);
          await wait(random.int(0, 20));
        },
        async ack(number) {
          if (dead) return;
          await log.ack(number);
        },
      };
    },
  };
  return {
    store,
    kill() {
      dead = true;
    },
  };
}

const decode = createBatchDecoder();

/** The texts of what waits in the buffer of an output. */
const buffered = (spills: MemorySpillStore, output: string) =>
  spills.records(output).flatMap(({ body }) => decode(body).packets.map(textOf));

/** The highest number of an input below which every number is in each output it must reach. */
function contiguous(topology: Topology, spills: MemorySpillStore, input: string): number {
  let least = Number.POSITIVE_INFINITY;
  for (const output of topology.outputs) {
    if (!feeds(topology, input, output)) continue;
    const there = new Set<number>();
    const written = topology.written.get(output.name) ?? [];
    for (const text of [...written, ...buffered(spills, output.name)]) {
      const [from, number] = text.split(":");
      if (from === input) there.add(Number(number));
    }
    let next = 1;
    while (there.has(next)) next++;
    least = Math.min(least, next - 1);
  }
  return least;
}

async function settleMicrotasks(): Promise<void> {
  for (let i = 0; i < 12; i++) await Promise.resolve();
}

const isFinished = ({ wiring }: TestBus) =>
  buffersEmpty(wiring) &&
  wiring.inputs.every(
    ({ stats, partitions }) => stats.state === "finished" && partitions.inFlight === 0,
  );

/** One life after another on the same store, each but the last killed at some step. */
async function simulate(seed: number): Promise<{ kills: number; twice: number }> {
  const random = seededRandom(seed);
  const topology = onlyDirect(randomTopology(random), random);
  const base = createMemoryCheckpointStore();
  const disk = createMemorySpillStore();
  const kept = new Map<string, number>();
  const kills = random.int(1, 4);
  let epoch = 0;
  for (let life = 0; life <= kills; life++) {
    const clock = createManualClock();
    const scheduler = createSeededScheduler(random.next);
    const { store, durable, kill } = wobblyStore(base, clock, random);
    const spills = wobblySpills(disk, clock, random);
    const own = { checkpoints: store, spills: spills.store, epoch: ++epoch };
    const state: State = { ...memoryState(), ...own };
    const window = { packets: random.int(1, 40), bytes: random.int(400, 5_000) };
    // The last life waits out delays of minutes, in which a short interval is only many steps.
    const checkpointIntervalMs = life < kills ? random.pick([1, 20, 200]) : 5_000;
    const bus = await startTestBus({
      ...topology,
      bus: { window, edge: window, checkpointIntervalMs },
      ...{ clock, scheduler, state, random: random.next },
    });
    const killAt = life < kills ? random.int(1, 400) : STEPS_MAX;
    let steps = 0;
    let over = false;
    while (!over && steps < killAt) {
      while (steps < killAt && scheduler.step()) {
        steps++;
        for (const { partitions } of bus.wiring.inputs) {
          if (partitions.inFlight > window.packets) throw new Error("beyond the window");
        }
      }
      await settleMicrotasks();
      if (steps < killAt && !scheduler.step()) clock.advanceToNext();
      steps++;
      await settleMicrotasks();
      over = isFinished(bus);
    }
    if (life === kills && !over) throw new Error("it does not come to its end");
    // SIGKILL: whatever was not durable by now is lost with the process.
    kill();
    spills.kill();
    for (const { name } of topology.inputs) {
      const stored = Number((await base.get(keyOf(name)))?.position ?? 0);
      if (stored > contiguous(topology, disk, name)) {
        throw new Error(`${name}: the checkpoint is ${stored}, in the sinks are all up to less`);
      }
      if (stored < (kept.get(name) ?? 0)) throw new Error(`${name}: the checkpoint went back`);
      if (stored < (durable.get(name) ?? 0)) throw new Error(`${name}: a commit was not kept`);
      kept.set(name, stored);
    }
    expect(bus.failures.filter(({ error }) => error.code === "INVARIANT")).toEqual([]);
  }
  return { kills, twice: check(topology) };
}

const keyOf = (name: string) => ({ input: name, resource: name, partition: "0" });

/**
 * Without filters it is known what must be where; they have a simulation of their own. Those that
 * hold packets back are here, since what they hold must not be lost with them.
 */
function onlyDirect(topology: Topology, random: Random): Topology {
  const { inputs } = topology;
  const filters = inputs
    .filter(() => random.chance(0.4))
    .map(({ name, idents }) => filterEntry(gatherOf(name), gatheringFilter(random), idents));
  const sent = ({ name, idents }: InputEntry) =>
    filters.some((filter) => filter.name === gatherOf(name)) ? [gatherOf(name)] : idents;
  const outputs = topology.outputs.map((output) => {
    const chosen = inputs.filter(({ idents }) => idents.some((one) => output.match.includes(one)));
    const fed = chosen.length > 0 ? chosen : inputs;
    return { ...output, match: fed.flatMap(sent) };
  });
  return { ...topology, filters, outputs };
}

const gatherOf = (input: string): string => `gather.${input}`;

/** Whether all packets of an input go to that output. */
function feeds({ inputs }: Topology, input: string, { match }: OutputEntry): boolean {
  return inputs.some(
    ({ name, idents }) =>
      name === input && (match.includes(idents[0] ?? "") || match.includes(gatherOf(name))),
  );
}

/** Everything is there, first sights are in order; answers how many came more than once. */
function check(topology: Topology): number {
  let twice = 0;
  for (const output of topology.outputs) {
    for (const { name } of topology.inputs) {
      if (!feeds(topology, name, output)) continue;
      const seen = new Set<number>();
      for (const text of topology.written.get(output.name) ?? []) {
        const [from, number] = text.split(":");
        if (from !== name) continue;
        if (seen.has(Number(number))) twice++;
        else expect(Number(number)).toBe(seen.add(Number(number)).size);
      }
      expect([name, seen.size]).toEqual([name, topology.counts.get(name) ?? 0]);
    }
  }
  return twice;
}

test(`${lives} buses that are killed at any step lose nothing, and no checkpoint is ahead of a sink (fault 72)`, async () => {
  const random = seededRandom(testSeed("crashes"));
  const only = process.env.DBUS_CRASH;
  let kills = 0;
  let twice = 0;
  for (let n = 0; n < lives; n++) {
    const seed = only ? Number(only) : random.int(0, 2 ** 31 - 1);
    try {
      const done = await simulate(seed);
      kills += done.kills;
      twice += done.twice;
    } catch (error) {
      throw new Error(`bus ${n}, DBUS_CRASH=${seed} repeats it alone: ${error}`, { cause: error });
    }
    if (only) break;
  }
  process.stderr.write(`[crashes] ${lives} buses, ${kills} kills, ${twice} packets came twice\n`);
}, 600_000);
