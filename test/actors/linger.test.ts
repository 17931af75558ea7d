import { describe, expect, test } from "bun:test";
import { z } from "zod";
import type { BusConfig, FilterEntry, OutputEntry } from "#src/config/config.ts";
import type { Packet } from "#src/flow/packet.ts";
import { defineFilter, type InputPlugin } from "#src/plugin/define.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { packetOf, textOf } from "../support/packets.ts";
import { counterInput, inputOf, outputOf } from "../support/probe-plugins.ts";
import { filterEntry, inputEntry, outputEntry } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";

const start = testBuses({ stopDeadlineMs: 20 });

const hour = 3_600_000;
const count = 200;
const batch = { countMax: 1024, bytesMax: 1 << 20, lingerMs: hour };

/** Writes down the batches that it gets. */
function listing() {
  const batches: string[][] = [];
  const plugin = outputOf((packets) => void batches.push(packets.map(textOf)));
  return { batches, plugin };
}

/** Sends packets whose ident and size `of` says, numbered from 1. */
function sized(of: (n: number) => Pick<Packet, "ident" | "bytes">, total = count): InputPlugin {
  return inputOf(async (context) => {
    for (let n = 1; n <= total; n++) await context.emit({ ...packetOf("in", n), ...of(n) });
  });
}

type Given = {
  readonly input: InputPlugin;
  readonly idents?: readonly string[];
  readonly filters?: readonly FilterEntry[];
  readonly outputs: readonly OutputEntry[];
  readonly bus: Partial<BusConfig>;
};

/**
 * Runs a bus whose clock is moved on by a second at most, a millisecond at a time, whenever nothing
 * else goes on: a batch that needs its linger time is not written.
 */
async function runs({ input, idents = ["in"], bus, ...nodes }: Given, done: () => boolean) {
  const clock = createManualClock();
  const given = { inputs: [inputEntry("in", input, { idents })], ...nodes, bus, clock };
  const started = await start(given);
  for (let ms = 0; ms < 1_000 && !done(); ms++) {
    await turns();
    clock.advance(1);
  }
  /** Lets what is left linger to its end, so that the bus can stop. */
  async function end() {
    while (started.wiring.inputs.some(({ partitions }) => partitions.inFlight > 0)) {
      clock.advance(hour);
      await turns();
    }
    await started.stop();
  }
  return { clock, end };
}

/** Lets everything run that can. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const flat = (batches: readonly (readonly string[])[]) => batches.flat();
const numbers = (upTo: number) => Array.from({ length: upTo }, (_, i) => String(i + 1));

describe("a batch that lingers goes out when nothing more can come", () => {
  test("since the edge has fewer bytes left than the next packet needs", async () => {
    const { batches, plugin } = listing();
    const outputs = [outputEntry("out", plugin, ["in"], { batch })];
    const bus = { edge: { packets: 100, bytes: 1_000 } };
    const input = sized((n) => ({ ident: "in", bytes: n % 3 === 0 ? 700 : 400 }));
    const { end } = await runs({ input, outputs, bus }, () => flat(batches).length >= count - 2);
    // The very last ones have nothing behind them, and linger.
    expect(flat(batches)).toEqual(numbers(flat(batches).length));
    expect(flat(batches).length).toBeGreaterThanOrEqual(count - 2);
    await end();
  });

  test("since the window is spent, by packets that wait in several outputs", async () => {
    const [a, b] = [listing(), listing()];
    const outputs = [
      outputEntry("a", a.plugin, ["a"], { batch }),
      outputEntry("b", b.plugin, ["b"], { batch }),
    ];
    const input = sized((n) => ({ ident: n % 4 === 0 ? "a" : "b", bytes: 100 }));
    const idents = ["a", "b"];
    for (const window of [
      { packets: 20, bytes: 1 << 20 },
      { packets: 500, bytes: 2_050 },
    ]) {
      a.batches.length = 0;
      b.batches.length = 0;
      const done = () => flat(a.batches).length + flat(b.batches).length >= count - 20;
      const { end } = await runs({ input, idents, outputs, bus: { window } }, done);
      expect(done()).toBe(true);
      expect(flat(b.batches).map(Number)).toEqual(
        numbers(count)
          .map(Number)
          .filter((n) => n % 4 !== 0)
          .slice(0, flat(b.batches).length),
      );
      // What is on its way already is waited for: they are batches and not single packets.
      expect(a.batches.length).toBeLessThan(count / 4 / 2);
      await end();
    }
  });

  test("since a filter makes more of a packet than the edge takes", async () => {
    const { batches, plugin } = listing();
    const twice = defineFilter<unknown, null>({
      name: "TwiceFilter",
      summary: "gives each packet twice",
      configSchema: z.unknown(),
      open: () => null,
      apply: (_, packet) => [
        { ...packet, ident: "f" },
        { ...packet, ident: "f", bytes: 450 },
      ],
    });
    const filters = [filterEntry("f", twice, ["in"])];
    const outputs = [outputEntry("out", plugin, ["f"], { batch })];
    const bus = { edge: { packets: 100, bytes: 1_000 } };
    const input = counterInput({ count });
    const { end } = await runs(
      { input, filters, outputs, bus },
      () => flat(batches).length > 2 * count - 8,
    );
    expect(flat(batches).length).toBeGreaterThan(2 * count - 8);
    await end();
  });

  test("since what a disk kept waits for the same credit", async () => {
    const { batches, plugin } = listing();
    const gate = Promise.withResolvers<void>();
    const late = { ...plugin, open: () => gate.promise.then(() => null) };
    const bus = { window: { packets: 64, bytes: 1 << 20 }, edge: { packets: 16, bytes: 1_250 } };
    const buffer = { kind: "disk", bytesMax: 1 << 20 } as const;
    const outputs = [outputEntry("late", late, ["in"], { batch, buffer })];
    const input = counterInput({ count });
    const { clock, end } = await runs({ input, outputs, bus }, () => false);
    gate.resolve();
    for (let ms = 0; ms < 1_000 && flat(batches).length < count - 16; ms++) {
      await turns();
      clock.advance(1);
    }
    expect(flat(batches)).toEqual(numbers(flat(batches).length));
    expect(flat(batches).length).toBeGreaterThanOrEqual(count - 16);
    await end();
  });

  test("and so does what a filter gathers", async () => {
    const { batches, plugin } = listing();
    const sums = defineFilter<unknown, null>({
      name: "SumFilter",
      summary: "counts packets",
      configSchema: z.unknown(),
      open: () => null,
      apply: () => null,
      gather: {
        flushMs: () => hour,
        begin: () => ({ packets: 0 }),
        add(gathered) {
          (gathered as { packets: number }).packets++;
        },
        *end(gathered, first) {
          const { packets } = gathered as { packets: number };
          yield { ...packetOf("f", Number(first.position), String(packets)), bytes: 10 };
        },
      },
    });
    const filters = [filterEntry("f", sums, ["in"])];
    const outputs = [outputEntry("out", plugin, ["f"])];
    const bus = { edge: { packets: 100, bytes: 1_000 } };
    const input = sized((n) => ({ ident: "in", bytes: n % 2 === 0 ? 700 : 400 }));
    const sum = () => flat(batches).reduce((all, text) => all + Number(text), 0);
    const { end } = await runs({ input, filters, outputs, bus }, () => sum() >= count - 2);
    expect(sum()).toBeGreaterThanOrEqual(count - 2);
    await end();
  });
});

test("a batch that more can come to waits for its linger time, and is written whole", async () => {
  const { batches, plugin } = listing();
  const outputs = [outputEntry("out", plugin, ["in"], { batch })];
  const { clock, end } = await runs(
    { input: counterInput({ count: 30 }), outputs, bus: {} },
    () => false,
  );
  expect(batches).toEqual([]);
  clock.advance(hour);
  await turns();
  expect(batches).toEqual([numbers(30)]);
  await end();
});
