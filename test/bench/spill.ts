import { copyFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { Stat } from "#src/api/port.ts";
import { freePort } from "../services/port.ts";
import { runDir } from "../services/run-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Bench, type BenchOptions, say } from "./bench.ts";
import { startDbusd } from "./dbus.ts";
import type { Measured, Usage } from "./measure.ts";
import type { Result } from "./result.ts";

/** What the way over a buffer on disk costs, beside files that are only written and read. */
export const spill: Bench = {
  name: "spill",
  summary: "rows into a buffer on disk whose sink is down, and out of it once the sink is back",
  peers: [],
  defaults: { seconds: 0, rows: 500_000 },
  run,
};

/** What is made durable at once at most (`actors/spill-queue.ts`). */
const APPEND_BYTES = 4 * 2 ** 20;

async function run({ rows }: BenchOptions): Promise<readonly Result[]> {
  const dir = await runDir("spill");
  const gate = join(dir, "gate");
  const port = await freePort();
  const bus = await startDbusd(configOf({ dir, gate, port, rows }), dir);
  const output = () => statOf(port);
  try {
    const began = await first(bus, output);
    await reached(bus, output, ({ buffer }) => buffer?.packets === rows, "all rows on the disk");
    const fillSeconds = (performance.now() - began) / 1_000;
    const filled = bus.usage();
    const bytes = bytesIn(join(dir, "state/.spill/slow"));
    say(`${rows} rows are ${(bytes / 2 ** 20).toFixed(0)} MiB`);
    const opened = performance.now();
    writeFileSync(gate, "");
    await reached(bus, output, ({ buffer }) => buffer?.packets === 0, "an empty buffer");
    const drainSeconds = (performance.now() - opened) / 1_000;
    const drained = bus.usage();
    say("the same bytes, as files");
    const raw = await throughFiles(dir, bytes);
    const of = (seconds: number) => rows / seconds;
    return [
      {
        ...result("fill", of(fillSeconds), filled),
        ratio: { raw: raw.write / fillSeconds },
      },
      {
        ...result("drain", of(drainSeconds), {
          ...drained,
          cpuSeconds: drained.cpuSeconds - filled.cpuSeconds,
        }),
        ratio: { raw: raw.read / drainSeconds },
      },
      result("raw-fill", of(raw.write), raw.usage),
      result("raw-drain", of(raw.read), raw.usage),
    ];
  } finally {
    await bus.stop();
  }
}

const result = (name: string, rate: number, usage: Usage): Result => ({
  case: name,
  unit: "rows/s",
  rate,
  ...usage,
});

type Config = { readonly dir: string; readonly gate: string; readonly port: number; rows: number };

function configOf({ dir, gate, port, rows }: Config): unknown {
  // A file is named from where the configuration is, and stands there.
  copyFileSync(join(import.meta.dir, "programs/gated-output.ts"), join(dir, "gated-output.ts"));
  const plugin = "./gated-output.ts";
  const buffer = { kind: "disk", bytesMax: 2 ** 33 };
  const retry = { delayMs: 10, delayMsMax: 20 };
  return {
    state: { dir: join(dir, "state") },
    admin: { port },
    inputs: [{ name: "rows", plugin: "MockInput", payload: "rows", count: rows }],
    outputs: [{ name: "slow", plugin, match: "rows", gate, retry, buffer }],
  };
}

type Output = Stat["outputs"][number];

async function statOf(port: number): Promise<Output> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/stat`);
  const [output] = ((await answer.json()) as Stat).outputs;
  if (!output) throw new Error("no output in the status");
  return output;
}

/** When the first rows were on the disk. */
async function first(bus: Measured, output: () => Promise<Output>): Promise<number> {
  await reached(
    bus,
    output,
    ({ buffer }) => (buffer?.packets ?? 0) > 0,
    "the first rows on the disk",
  );
  return performance.now();
}

async function reached(
  bus: Measured,
  output: () => Promise<Output>,
  holds: (output: Output) => boolean,
  what: string,
): Promise<void> {
  const look = async () => !bus.running || holds(await output());
  await waitFor(look, { what, timeoutMs: 600_000, intervalMs: 20 });
  if (!bus.running) throw new Error(`dbusd has ended before ${what}:\n${await bus.logTail()}`);
}

function bytesIn(dir: string): number {
  return readdirSync(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
}

type Files = { readonly write: number; readonly read: number; readonly usage: Usage };

/** Seconds for so many bytes, written in pieces that are each durable before the next, and read. */
async function throughFiles(dir: string, bytes: number): Promise<Files> {
  const piece = Buffer.alloc(APPEND_BYTES, "x");
  const path = join(dir, "raw");
  const cpu = process.cpuUsage();
  const began = performance.now();
  const written = await open(path, "w");
  for (let done = 0; done < bytes; done += piece.length) {
    await written.write(piece, 0, Math.min(piece.length, bytes - done), done);
    await written.datasync();
  }
  await written.close();
  const wrote = performance.now();
  const file = await open(path, "r");
  for (let done = 0; done < bytes; done += piece.length)
    await file.read(piece, 0, piece.length, done);
  await file.close();
  const { user, system } = process.cpuUsage(cpu);
  return {
    write: (wrote - began) / 1_000,
    read: (performance.now() - wrote) / 1_000,
    usage: { rssMiBMax: 0, cpuSeconds: (user + system) / 1e6 },
  };
}
