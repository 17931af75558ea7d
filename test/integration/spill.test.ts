import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stat } from "#src/api/port.ts";
import { useStarted } from "../services/index.ts";
import { runDir } from "../services/run-dir.ts";
import { type DaemonProcess, startDaemonProcess } from "../support/daemon-process.ts";
import { seededRandom, testSeed, waitFor } from "../support/index.ts";
import { startText } from "../support/sample-daemon.ts";
import { smallDisk } from "../support/small-disk.ts";

/** An output of a user's own: it takes nothing until a file is there, then writes positions. */
const gated = `
import { appendFileSync, existsSync } from "node:fs";
import { defineOutput } from "#plugin";
import { z } from "zod";

const configSchema = z.strictObject({
  file: z.string().describe("Where positions are written."),
  gate: z.string().describe("The file that lets them through."),
});

export const gatedOutput = defineOutput({
  name: "GatedOutput",
  summary: "Writes positions once a file is there.",
  configSchema,
  open: (_context, config) => config,
  write({ file, gate }, packets) {
    const error = new Error("the gate is closed");
    if (!existsSync(gate)) return packets.map(() => ({ retryAfterMs: 10, error }));
    appendFileSync(file, packets.map(({ position }) => position + "\\n").join(""));
    return undefined;
  },
});
`;

const count = 20_000;

function configOf(dir: string, more: { rate?: number; bytesMax?: number; state?: string } = {}) {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, "gated.ts"), gated);
  const { rate, bytesMax = 1 << 30, state = join(dir, "state") } = more;
  const retry = { delayMs: 10, delayMsMax: 20 };
  return {
    bus: {
      window: { packets: 500 },
      edge: { packets: 200 },
      checkpointIntervalMs: 50,
      stopDeadlineMs: 2_000,
    },
    state: { dir: state },
    inputs: [
      { name: "in", plugin: "MockInput", count, size: 200, batch: 50, ...(rate ? { rate } : {}) },
    ],
    outputs: [
      {
        name: "slow",
        plugin: "./gated.ts",
        match: "in",
        file: join(dir, "slow.txt"),
        gate: join(dir, "gate"),
        retry,
        buffer: { kind: "disk", bytesMax },
      },
      { name: "beside", plugin: "MockOutput", match: "in" },
    ],
  };
}

const written = (dir: string): number[] => {
  const file = join(dir, "slow.txt");
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1).map(Number) : [];
};
const open = (dir: string) => writeFileSync(join(dir, "gate"), "");

async function stat(daemon: DaemonProcess): Promise<Stat> {
  return (await (await fetch(`${daemon.adminUrl}/api/v1/stat`)).json()) as Stat;
}
const outputOf = ({ outputs }: Stat, name: string) => outputs.find((one) => one.name === name)!;

/** Nothing is missing, and each number comes for the first time after all that are smaller. */
function expectWhole(numbers: readonly number[], upTo: number): void {
  const firsts = [...new Set(numbers)];
  expect(firsts.length).toBe(upTo);
  expect(firsts.every((n, i) => n === i + 1)).toBe(true);
}

test("a buffer on disk keeps order and every packet through SIGKILL after SIGKILL, filling and emptying", async () => {
  const random = seededRandom(testSeed("spill kills"));
  const dir = await runDir("spill-kills");
  const config = configOf(dir, { rate: 15_000 });
  let daemon: DaemonProcess | undefined;
  let kills = 0;
  try {
    // While it fills, nobody is held up, and it is killed at any moment of that.
    for (let seen = 0; seen < count; kills++) {
      daemon = await startDaemonProcess({ dir, config });
      await daemon.ready();
      const goal = Math.min(count, seen + random.int(2_000, 6_000));
      const running = daemon;
      const inBuffer = async () => outputOf(await stat(running), "slow").buffer?.packets ?? 0;
      await waitFor(async () => (await inBuffer()) >= goal, {
        what: `${goal} packets in the buffer`,
        timeoutMs: 20_000,
      });
      seen = goal;
      daemon.kill("SIGKILL");
      await daemon.exited;
    }
    expect(written(dir)).toEqual([]);
    open(dir);
    // And while it empties.
    for (let round = 0; round < 3; round++, kills++) {
      const goal = written(dir).length + random.int(1, 4_000);
      daemon = await startDaemonProcess({ dir, config });
      await waitFor(() => written(dir).length >= goal, { what: "more", timeoutMs: 20_000 });
      daemon.kill("SIGKILL");
      await daemon.exited;
    }
    const last = await startDaemonProcess({ dir, config });
    daemon = last;
    const empty = async () => outputOf(await stat(last), "slow").buffer?.packets === 0;
    await waitFor(() => new Set(written(dir)).size === count, { what: "all", timeoutMs: 20_000 });
    await waitFor(empty, { what: "an empty buffer", timeoutMs: 20_000 });
    expect((await stat(last)).gaps).toBe(0);
    expect(await last.stop()).toBe(0);
  } finally {
    if (daemon?.running) daemon.kill("SIGKILL");
  }
  const numbers = written(dir);
  expectWhole(numbers, count);
  process.stderr.write(`[spill] ${kills} kills, ${numbers.length - count} packets came twice\n`);
}, 120_000);

test("fault 80: a buffer whose sync fails is written anew, into another file, and loses nothing", async () => {
  const dir = await runDir("spill-eio");
  const config = configOf(dir, { rate: 10_000 });
  const daemon = await startDaemonProcess({ dir, config, failingSync: 14 });
  try {
    await daemon.ready();
    const held = async () => outputOf(await stat(daemon), "slow").buffer?.packets === count;
    await waitFor(held, { what: "all of it on the disk", timeoutMs: 40_000 });
    expect(await daemon.log()).toContain("the buffer cannot be written");
    // What was told to be durable is: nothing of it is in the memory of that process.
    daemon.kill("SIGKILL");
    await daemon.exited;
  } finally {
    if (daemon.running) daemon.kill("SIGKILL");
  }
  open(dir);
  const next = await startDaemonProcess({ dir, config });
  const empty = async () => outputOf(await stat(next), "slow").buffer?.packets === 0;
  await waitFor(() => new Set(written(dir)).size === count, { what: "all", timeoutMs: 20_000 });
  await waitFor(empty, { what: "an empty buffer", timeoutMs: 20_000 });
  expect((await stat(next)).gaps).toBe(0);
  expect(await next.stop()).toBe(0);
  expectWhole(written(dir), count);
}, 90_000);

const scratch = mkdtempSync(join(tmpdir(), "dbus-spill-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("a buffer that is left with packets in it, and has gone from the configuration, refuses the start", async () => {
  const dir = join(scratch, "left");
  const config = configOf(dir);
  const daemon = await startDaemonProcess({ dir, config });
  await daemon.ready();
  const settled = async () => {
    const { inputs, outputs } = await stat(daemon);
    return inputs[0]?.state === "finished" && inputs[0].inFlight === 0 && outputs.length > 0;
  };
  await waitFor(settled, { what: "the end", timeoutMs: 20_000 });
  expect(outputOf(await stat(daemon), "slow").buffer?.packets).toBe(count);
  expect(await daemon.stop()).toBe(0);
  const without = { ...config, outputs: config.outputs.slice(1) };
  const refused = await startDaemonProcess({ dir, config: without });
  expect(await refused.exited).not.toBe(0);
  expect(await refused.log()).toContain(`the buffer of slow on disk still holds ${count} packets`);
  open(dir);
  const again = await startDaemonProcess({ dir, config });
  await waitFor(() => written(dir).length === count, { what: "all of it", timeoutMs: 20_000 });
  await waitFor(async () => outputOf(await stat(again), "slow").buffer?.packets === 0, {
    what: "an empty buffer",
  });
  expect(await again.stop()).toBe(0);
  expectWhole(written(dir), count);
  const last = await startDaemonProcess({ dir, config: without });
  await last.ready();
  expect(await last.stop()).toBe(0);
}, 60_000);

const disks = await useStarted("a full disk", async () => smallDisk("6m", afterAll));

disks.test(
  "a full disk makes the inputs of a buffer wait, and costs nothing once there is room (fault 79)",
  async ({ dir: disk }) => {
    const ballast = join(disk, "ballast");
    writeFileSync(ballast, Buffer.alloc(4_500_000));
    const dir = join(scratch, "full");
    const config = configOf(dir, { state: join(disk, "state") });
    const sample = await startText(
      JSON.stringify(config),
      join(dir, "dbus.yaml"),
      {},
      join(disk, "state"),
    );
    try {
      const note = () => sample.output("slow").buffer?.note ?? "";
      await waitFor(() => /ENOSPC|no space/i.test(note()), { what: "the note", timeoutMs: 40_000 });
      expect(sample.input("in").packets).toBeLessThan(count);
      expect(sample.output("beside").packets).toBeLessThan(count);
      rmSync(ballast);
      open(dir);
      const how = () => JSON.stringify(sample.output("slow").buffer);
      await waitFor(() => written(dir).length === count, { what: "all", timeoutMs: 60_000 }).catch(
        (error) => {
          throw new Error(`${written(dir).length} written, the buffer is ${how()}`, {
            cause: error,
          });
        },
      );
      expect(note()).toBe("");
    } finally {
      expect(await sample.end()).toBe(0);
    }
    expect(written(dir)).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  },
  120_000,
);

disks.test(
  "a process that is killed on a full disk, and starts on it, empties its buffer and loses nothing (fault 79)",
  async ({ dir: disk }) => {
    const ballast = join(disk, "ballast");
    writeFileSync(ballast, Buffer.alloc(4_500_000));
    const dir = join(scratch, "full-start");
    const config = configOf(dir, { state: join(disk, "restarted") });
    const first = await startDaemonProcess({ dir, config });
    try {
      await first.ready();
      const full = async () =>
        /ENOSPC|no space/i.test(outputOf(await stat(first), "slow").buffer?.note ?? "");
      await waitFor(full, { what: "a full disk", timeoutMs: 40_000 });
    } finally {
      first.kill("SIGKILL");
      await first.exited;
    }
    expect(written(dir)).toEqual([]);
    open(dir);
    const second = await startDaemonProcess({ dir, config });
    try {
      // The ballast stays: what makes room is the buffer that empties.
      await waitFor(() => new Set(written(dir)).size === count, { what: "all", timeoutMs: 60_000 });
      const empty = async () => outputOf(await stat(second), "slow").buffer?.packets === 0;
      await waitFor(empty, { what: "an empty buffer", timeoutMs: 20_000 });
      expect((await stat(second)).gaps).toBe(0);
      expect(await second.stop()).toBe(0);
    } finally {
      if (second.running) second.kill("SIGKILL");
      rmSync(ballast);
    }
    expectWhole(written(dir), count);
  },
  120_000,
);
