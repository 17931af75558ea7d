import { expect, test } from "bun:test";
import { DbusError, toDbusError } from "#src/errors.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { seededRandom, testSeed } from "../support/random.ts";
import { createSeededScheduler } from "../support/seeded-scheduler.ts";
import { startTestBus, type TestBus } from "../support/test-bus.ts";
import { firstShape, nextShape, outputsOf, type Shape, type Workload } from "./reloads.ts";
import { buffersEmpty } from "./topology.ts";

const runs = Number(process.env.DBUS_RELOADS ?? 300);
const ROUNDS_MAX = 300_000;
/** What a reload may be refused with: what is in flight, or in a buffer on disk that is to go. */
const refusals: ReadonlySet<string> = new Set(["RELOAD_HELD", "SPILL_LEFT"]);

/**
 * A shape that ran. Of each input, what was handed over when it had begun: all after that takes its
 * ways; and what was settled before it was asked to end: all up to there has taken them.
 */
type Period = { readonly shape: Shape; readonly begin: Marks; end: Marks };
type Marks = ReadonlyMap<string, number>;

/** Runs a random bus to its end while its configuration changes again and again. */
async function simulate(seed: number): Promise<string[]> {
  const random = seededRandom(seed);
  const load: Workload = {
    random,
    counts: new Map(),
    emitted: new Map(),
    written: new Map(),
    breaks: random.chance(0.5),
    made: 0,
  };
  let shape = firstShape(load);
  const clock = createManualClock();
  const scheduler = createSeededScheduler(random.next);
  const bus = await startTestBus({
    ...shape,
    bus: {
      window: { packets: random.int(1, 40), bytes: random.int(300, 5_000) },
      edge: { packets: random.int(1, 20), bytes: random.int(300, 5_000) },
      checkpointIntervalMs: 5_000,
      stopDeadlineMs: random.pick([20, 600_000]),
    },
    clock,
    scheduler,
    random: random.next,
  });
  const periods: Period[] = [{ shape, begin: new Map(), end: load.counts }];
  const outcomes: string[] = [];
  let reloadsLeft = random.int(1, 6);
  let reloading = false;
  const reload = async () => {
    reloading = true;
    reloadsLeft--;
    const next = nextShape(shape, load);
    const period = periods.at(-1) as Period;
    const end = settledOf(bus);
    try {
      const { outcome } = await bus.reload(next);
      outcomes.push(outcome);
      shape = next;
      if (outcome === "unchanged") return;
      period.end = end;
      periods.push({ shape, begin: new Map(load.emitted), end: load.counts });
    } catch (error) {
      outcomes.push(toDbusError(error).code);
      if (!(error instanceof DbusError) || !refusals.has(error.code)) throw error;
    } finally {
      reloading = false;
    }
  };
  let last: Promise<void> = Promise.resolve();
  for (let round = 0; ; round++) {
    if (round > ROUNDS_MAX) throw new Error(`no end at ${clock.now()} ms: ${stuckAt(bus)}`);
    if (!reloading && reloadsLeft > 0 && random.chance(0.05)) last = reload();
    while (scheduler.step()) checkBounds(bus);
    await settleMicrotasks();
    if (!scheduler.step()) clock.advanceToNext();
    await settleMicrotasks();
    if (!reloading && isFinished(bus)) {
      if (reloadsLeft === 0) break;
      last = reload();
    }
  }
  await last;
  checkOutcome(load, periods, bus);
  void bus.stop();
  return outcomes;
}

function settledOf({ wiring }: TestBus): Marks {
  const settled = ({ partitions }: TestBus["wiring"]["inputs"][number]) =>
    Number(partitions.get("0").ledger.watermark() ?? 0);
  return new Map(wiring.inputs.map((node) => [node.entry.name, settled(node)]));
}

async function settleMicrotasks(): Promise<void> {
  for (let i = 0; i < 12; i++) await Promise.resolve();
}

function isFinished({ wiring }: TestBus): boolean {
  const settled = wiring.inputs.every(
    ({ stats, partitions }) => stats.state === "finished" && partitions.inFlight === 0,
  );
  return settled && buffersEmpty(wiring);
}

function stuckAt({ admin, wiring }: TestBus): string {
  const { inputs, filters, outputs } = admin.stat();
  const held = wiring.inputs.filter(({ partitions }) => partitions.held).map(({ path }) => path);
  return JSON.stringify({ inputs, filters, outputs, held }, null, 1);
}

function checkBounds({ wiring }: TestBus): void {
  for (const { partitions } of wiring.inputs) {
    if (partitions.inFlight > partitions.window.packets) throw new Error("beyond the window");
  }
}

/**
 * Nothing lost: while an input reaches an output, every number that certainly went by then is
 * there. Order kept: a number comes for the first time only after those below it, whatever way the
 * graph had for it; over one stretch of time without a hole.
 */
function checkOutcome(load: Workload, periods: readonly Period[], bus: TestBus): void {
  for (const [output, written] of load.written) {
    for (const [input] of load.counts) {
      const first = firstNumbers(written, input);
      const seen = new Set(first);
      const active = periods.map(({ shape }) => outputsOf(shape, input).has(output));
      const what = `${output} of ${input}, of whose numbers it has ${first.join(" ")}`;
      let stretches = 0;
      periods.forEach(({ begin }, at) => {
        if (!active[at] || active[at - 1]) return;
        stretches++;
        let last = at;
        while (active[last + 1]) last++;
        const to = periods[last]?.end.get(input) ?? 0;
        for (let n = (begin.get(input) ?? 0) + 1; n <= to; n++) {
          if (!seen.has(n)) throw new Error(`${n} is not in ${what}`);
        }
      });
      if (stretches === 0 && first.length > 0) throw new Error(`nothing should be in ${what}`);
      // A source that breaks is read again from its watermark, by a new output for the first time.
      if (load.breaks && !active[0]) continue;
      const holes = stretches > 1;
      const start = active[0] ? 1 : (first[0] ?? 1);
      first.forEach((n, i) => {
        const right = holes ? n > (first[i - 1] ?? 0) : n === start + i;
        if (!right) throw new Error(`${n} comes out of turn in ${what}`);
      });
    }
  }
  expect(bus.failures.filter(({ error }) => error.code === "INVARIANT")).toEqual([]);
}

/** The numbers of an input in the order in which they came for the first time. */
function firstNumbers(written: readonly string[], input: string): number[] {
  const start = `${input}:`;
  const numbers = written
    .filter((text) => text.startsWith(start))
    .map((t) => t.slice(start.length));
  return [...new Set(numbers)].map(Number);
}

test(`${runs} random buses whose random configurations are reloaded: no loss, order kept, an end`, async () => {
  const random = seededRandom(testSeed("reloads"));
  const only = process.env.DBUS_RELOAD;
  const outcomes = new Map<string, number>();
  for (let i = 0; i < runs; i++) {
    const seed = only ? Number(only) : random.int(0, 2 ** 31 - 1);
    try {
      for (const one of await simulate(seed)) outcomes.set(one, (outcomes.get(one) ?? 0) + 1);
    } catch (error) {
      const text = `bus ${i}, DBUS_RELOAD=${seed} repeats it alone: ${error}`;
      throw new Error(text, { cause: error });
    }
    if (only) return;
  }
  // Else it would show little.
  expect(outcomes.get("applied")).toBeGreaterThan(runs);
  expect(outcomes.get("RELOAD_HELD")).toBeGreaterThan(0);
  expect(outcomes.get("SPILL_LEFT")).toBeGreaterThan(0);
}, 600_000);
