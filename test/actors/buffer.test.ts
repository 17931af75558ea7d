import { describe, expect, test } from "bun:test";
import type { Stat } from "#src/api/port.ts";
import { systemClock } from "#src/clock.ts";
import type { BufferConfig } from "#src/config/config.ts";
import { DbusError } from "#src/errors.ts";
import { metricsText } from "#src/metrics.ts";
import type { MemorySpillStore } from "#src/spill/memory-log.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { holdsFor } from "../support/holds-for.ts";
import { packetOf } from "../support/packets.ts";
import { counterInput, inputOf, probeOutput } from "../support/probe-plugins.ts";
import { inputEntry, outputEntry, type TestBus } from "../support/test-bus.ts";
import { testBuses } from "../support/test-buses.ts";
import { waitFor } from "../support/wait-for.ts";

const start = testBuses();

const onDisk: BufferConfig = { kind: "disk", bytesMax: 1 << 20 };
const inMemory: BufferConfig = { kind: "memory", bytesMax: 0 };
const small = { window: { packets: 64, bytes: 1 << 20 }, edge: { packets: 16, bytes: 1 << 20 } };
const numbers = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1));
const count = 1_000;

const outputOf = (bus: TestBus, name: string): Stat["outputs"][number] => {
  const found = bus.admin.stat().outputs.find((one) => one.name === name);
  if (!found) throw new Error(`no output ${name}`);
  return found;
};

/** A bus whose output `slow` may be closed, beside one that takes everything. */
function entries(buffer: BufferConfig, slow = probeOutput(), beside = probeOutput()) {
  const inputs = [inputEntry("in", counterInput({ count }))];
  const outputs = [
    outputEntry("slow", slow.plugin, ["in"], { buffer }),
    outputEntry("beside", beside.plugin, ["in"]),
  ];
  return { slow, beside, given: { inputs, outputs, bus: small } };
}

const finished = (bus: TestBus) =>
  waitFor(
    () => {
      const [input] = bus.admin.stat().inputs;
      return input?.state === "finished" && input.inFlight === 0;
    },
    { what: "the end of the input" },
  );

describe("a buffer on disk", () => {
  test("holds up nobody: all is settled and committed while its output takes nothing", async () => {
    const { slow, beside, given } = entries(onDisk);
    slow.close();
    const bus = await start(given);
    await finished(bus);
    expect(beside.written).toEqual(numbers(count));
    expect(slow.written).toEqual([]);
    expect(outputOf(bus, "slow").buffer).toMatchObject({ packets: count, note: null });
    const committed = async () =>
      (await bus.state.checkpoints.list({ input: "in", resource: "in" }))[0]?.position;
    await waitFor(async () => (await committed()) === String(count), { what: "the checkpoint" });
    slow.open();
    await waitFor(() => slow.written.length === count, { what: "all of it" });
    expect(slow.written).toEqual(numbers(count));
    await waitFor(() => outputOf(bus, "slow").buffer?.packets === 0, { what: "the buffer" });
  });

  test("holds up nobody either where an input's window is less than the credit of an edge", async () => {
    const { slow, beside, given } = entries(onDisk);
    slow.close();
    const bus = await start({ ...given, bus: { window: small.window } });
    await finished(bus);
    expect(beside.written).toEqual(numbers(count));
    slow.open();
    await waitFor(() => slow.written.length === count, { what: "all of it" });
    expect(slow.written).toEqual(numbers(count));
  });

  test("in memory the same holds up the input at its window", async () => {
    const { slow, beside, given } = entries(inMemory);
    slow.close();
    const bus = await start(given);
    await waitFor(() => bus.admin.stat().inputs[0]?.inFlight === 64, { what: "the window" });
    expect(beside.written.length).toBeLessThan(count);
    expect(outputOf(bus, "slow").buffer).toBeNull();
    slow.open();
    await finished(bus);
    expect(slow.written).toEqual(numbers(count));
  });

  test("an output that keeps up never touches it", async () => {
    const { given } = entries(onDisk);
    const prompt = inputOf(async (context) => {
      for (let at = 1; at <= count; at += 10) {
        const packets = Array.from({ length: 10 }, (_, i) => packetOf("in", at + i));
        await context.deliver(packets);
      }
    });
    const inputs = [inputEntry("in", prompt)];
    const state = memoryState();
    let appends = 0;
    const spills: typeof state.spills = {
      ...state.spills,
      async open(name, options) {
        const log = await state.spills.open(name, options);
        return {
          ...log,
          packets: 0,
          append(bodies) {
            appends++;
            return log.append(bodies);
          },
        };
      },
    };
    const bus = await start({ ...given, inputs, state: { ...state, spills } });
    await finished(bus);
    expect(appends).toBe(0);
  });

  test("full, it makes its inputs wait, and loses nothing", async () => {
    const { slow, given } = entries({ kind: "disk", bytesMax: 8_000 });
    slow.close();
    const bus = await start(given);
    const full = () => outputOf(bus, "slow").buffer?.note === "full: its inputs wait";
    await waitFor(full, { what: "the note" });
    await waitFor(() => bus.admin.stat().inputs[0]?.inFlight === 64, { what: "the window" });
    expect(bus.admin.stat().inputs[0]?.packets).toBeLessThan(count);
    slow.open();
    await finished(bus);
    await waitFor(() => slow.written.length === count, { what: "all of it" });
    expect(slow.written).toEqual(numbers(count));
    expect(outputOf(bus, "slow").buffer?.note).toBeNull();
  });

  test("that cannot be written makes its inputs wait, says why, and goes on by itself", async () => {
    const { slow, given } = entries(onDisk);
    const state = memoryState();
    let refusals = 0;
    const spills: typeof state.spills = {
      ...state.spills,
      async open(name, options) {
        const log = await state.spills.open(name, options);
        const { append } = log;
        return Object.assign(Object.create(log), {
          append(bodies: Parameters<typeof append>[0]) {
            if (++refusals > 2) return append(bodies);
            return Promise.reject(new DbusError("SPILL_UNWRITABLE", "no room"));
          },
        });
      },
    };
    slow.close();
    const bus = await start({ ...given, state: { ...state, spills } });
    await waitFor(() => outputOf(bus, "slow").buffer?.note === "no room", { what: "the note" });
    expect(bus.admin.stat().inputs[0]?.packets).toBeLessThan(count);
    await finished(bus);
    slow.open();
    await waitFor(() => slow.written.length === count, { what: "all of it" });
    expect(slow.written).toEqual(numbers(count));
  });

  test("outlives its process: what was in it comes first at the next start", async () => {
    const state = memoryState();
    const first = entries(onDisk);
    first.slow.close();
    const bus = await start({ ...first.given, state });
    await finished(bus);
    await bus.stop();
    const second = entries(onDisk);
    const next = await start({ ...second.given, state });
    await waitFor(() => second.slow.written.length === count, { what: "all of it" });
    expect(second.slow.written).toEqual(numbers(count));
    await waitFor(() => outputOf(next, "slow").buffer?.packets === 0, { what: "the buffer" });
  });

  test("tells how long its oldest packet has waited, through a restart too", async () => {
    let now = 1_700_000_000_000;
    const clock = { ...systemClock, wall: () => now };
    const state = memoryState();
    const first = entries(onDisk);
    first.slow.close();
    const bus = await start({ ...first.given, state, clock });
    await finished(bus);
    const age = (of: TestBus) => outputOf(of, "slow").buffer?.oldestAgeSeconds;
    await waitFor(() => outputOf(bus, "slow").buffer?.packets === count, { what: "all of it" });
    now += 90_000;
    expect(age(bus)).toBe(90);
    const metrics = await metricsText(bus.admin.stat(), bus.admin.supervisor());
    expect(metrics).toContain('dbus_output_buffer_oldest_age_seconds{output="slow"} 90\n');
    await bus.stop();
    now += 10_000;
    const second = entries(onDisk);
    second.slow.close();
    const next = await start({ ...second.given, state, clock });
    await waitFor(() => age(next) === 100, { what: "its age" });
    // A clock that was set back makes nothing younger than now.
    now -= 3_600_000;
    expect(age(next)).toBe(0);
    second.slow.open();
    await waitFor(() => outputOf(next, "slow").buffer?.packets === 0, { what: "the end" });
    now += 7_200_000;
    expect(age(next)).toBe(0);
  });

  test("what its output refuses is a dead letter of the input that it came from", async () => {
    const { slow, given } = entries(onDisk);
    slow.close();
    const bus = await start(given);
    await finished(bus);
    slow.answers.push(({ position }) => (position === 7 ? { failed: new Error("bad") } : "done"));
    slow.open();
    await waitFor(() => slow.written.length === count - 1, { what: "the others" });
    expect(bus.state.deadLetters.list()).toMatchObject([
      { node: "slow", input: "in", resource: "in", partition: "0", position: "7" },
    ]);
  });
});

describe("a buffer in memory", () => {
  const large = { window: { packets: 1_000, bytes: 1 << 20 }, edge: { packets: 16, bytes: 1_600 } };

  test("takes bytesMax and no more: until then nobody waits, then the input does, and nothing is lost", async () => {
    // A packet is charged 100 bytes.
    for (const [bytesMax, packets] of [
      [0, 16],
      [40_000, 400],
      [1 << 30, 1_000],
    ] as const) {
      const { slow, beside, given } = entries({ kind: "memory", bytesMax });
      slow.close();
      const inputs = [inputEntry("in", counterInput({ count: 2_000 }))];
      const bus = await start({ ...given, inputs, bus: large });
      // The output beside gets all that the buffer of the slow one takes, and no more.
      await waitFor(() => beside.written.length === packets, { what: `${packets} beside` });
      const held = bus.wiring.router.outlet.edges.find(({ to }) => to === "slow")?.unsettled();
      expect([...(held?.values() ?? [])]).toEqual([packets]);
      await holdsFor(() => beside.written.length === packets, { ms: 50, what: "the bound" });
      expect(bus.admin.stat().inputs[0]?.inFlight).toBeLessThanOrEqual(1_000);
      expect(bus.admin.stat().inputs[0]?.packets).toBeLessThan(2_000);
      slow.open();
      await finished(bus);
      expect(slow.written).toEqual(numbers(2_000));
      expect(beside.written).toEqual(numbers(2_000));
      await bus.stop();
    }
  });
});

test("a buffer that a newer dbus has written waits, says so, and keeps everything", async () => {
  const former = entries(onDisk);
  former.slow.close();
  const first = await start(former.given);
  await finished(first);
  const { state } = first;
  await first.stop();
  const spills = state.spills as MemorySpillStore;
  const [oldest] = spills.records("slow");
  if (!oldest) throw new Error("nothing on the disk");
  const version = oldest.body[0];
  oldest.body[0] = 99;
  const { slow, given } = entries(onDisk);
  const bus = await start({ ...given, state });
  const failed = () => bus.failures.find(({ path }) => path.endsWith("buffers/slow"));
  await waitFor(failed, { what: "the failure" });
  expect(failed()?.error.code).toBe("SPILL_VERSION");
  expect(slow.written).toEqual([]);
  expect(state.gaps.list()).toEqual([]);
  await bus.stop();
  oldest.body[0] = version ?? 0;
  await start({ ...given, state });
  await waitFor(() => slow.written.length === count, { what: "all of it" });
  expect(slow.written).toEqual(numbers(count));
});

describe("a reload", () => {
  test("that takes a buffer away with packets in it is refused, and changes nothing", async () => {
    const { slow, beside, given } = entries(onDisk);
    slow.close();
    const bus = await start(given);
    await finished(bus);
    const [own] = given.outputs;
    if (!own) throw new Error("it has outputs");
    const gone = [outputEntry("beside", beside.plugin, ["in"])];
    const plain = [{ ...own, buffer: inMemory }, ...gone];
    for (const outputs of [gone, plain]) {
      expect(bus.reload({ outputs })).rejects.toMatchObject({ code: "SPILL_LEFT" });
    }
    slow.open();
    await waitFor(() => slow.written.length === count, { what: "all of it" });
    await waitFor(() => outputOf(bus, "slow").buffer?.packets === 0, { what: "the buffer" });
    await bus.reload({ outputs: plain });
    expect(outputOf(bus, "slow").buffer).toBeNull();
  });

  test("that changes an output which takes nothing holds up nobody either", async () => {
    const { promise: reloaded, resolve } = Promise.withResolvers<void>();
    const halves = inputOf(async (context) => {
      for (let at = 1; at <= count; at++) {
        if (at === count / 2) await reloaded;
        await context.emit(packetOf("in", at));
      }
    });
    const { slow, given } = entries(onDisk);
    slow.close();
    const bus = await start({ ...given, inputs: [inputEntry("in", halves)] });
    const half = () => outputOf(bus, "slow").buffer?.packets === count / 2 - 1;
    await waitFor(half, { what: "the first half" });
    const [own, beside] = given.outputs;
    if (!own || !beside) throw new Error("it has outputs");
    await bus.reload({ outputs: [{ ...own, config: { other: 1 } }, beside] });
    resolve();
    await finished(bus);
    slow.open();
    await waitFor(() => new Set(slow.written).size === count, { what: "all of it" });
    expect([...new Set(slow.written)]).toEqual(numbers(count));
  });

  test("that adds one, or takes an empty one away, loses nothing of what is on its way", async () => {
    const { slow, given } = entries(inMemory);
    const bus = await start(given);
    const [own, beside] = given.outputs;
    if (!own || !beside) throw new Error("it has outputs");
    for (const buffer of [onDisk, inMemory, onDisk]) {
      await waitFor(
        () =>
          bus.reload({ outputs: [{ ...own, buffer }, beside] }).then(
            () => true,
            () => false,
          ),
        { what: "a reload that is taken" },
      );
    }
    await finished(bus);
    await waitFor(() => slow.written.length >= count, { what: "all of it" });
    expect(slow.written).toEqual(numbers(count));
  });
});
