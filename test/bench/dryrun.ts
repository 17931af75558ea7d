import { join } from "node:path";
import type { Stat } from "#src/api/port.ts";
import { freePort } from "../services/port.ts";
import { runDir } from "../services/run-dir.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Bench, type BenchOptions, say } from "./bench.ts";
import { startDbusd } from "./dbus.ts";
import { startMeasured, type Usage } from "./measure.ts";
import { type BenthosCase, benthosProgram, runBenthos } from "./peers/benthos.ts";
import type { Result } from "./result.ts";

/** MockInput to MockOutput: what the bus itself costs, with nothing real at either end. */
export const dryrun: Bench = {
  name: "dryrun",
  summary: "MockInput through the bus to MockOutput, also with filters and a fan-out",
  peers: ["benthos"],
  defaults: { seconds: 5, rows: 0 },
  run,
};

type Case = {
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Packets in a batch of the bare loop. */
  readonly rawBatch: number;
  readonly benthos: BenthosCase;
};

const source = { name: "source", plugin: "MockInput", ident: "mock" };
const sink = (name: string, match: string) => ({ name, plugin: "MockOutput", match });
const filter = (name: string, match: string) => ({ name, plugin: "MockFilter", match });

const cases: readonly Case[] = [
  {
    name: "plain",
    config: { inputs: [source], outputs: [sink("sink", "mock")] },
    rawBatch: 512,
    benthos: { count: 4_000_000, batch: 256, filters: 0, outputs: 1 },
  },
  {
    name: "graph",
    config: {
      inputs: [source],
      filters: [filter("first", "mock"), filter("second", "first")],
      outputs: ["a", "b", "c"].map((name) => sink(name, "second")),
    },
    rawBatch: 512,
    benthos: { count: 2_000_000, batch: 256, filters: 2, outputs: 3 },
  },
  {
    name: "batch1",
    config: {
      inputs: [{ ...source, batch: 1 }],
      outputs: [{ ...sink("sink", "mock"), batch: { countMax: 1 } }],
    },
    rawBatch: 1,
    benthos: { count: 500_000, batch: 1, filters: 0, outputs: 1 },
  },
];

async function run(options: BenchOptions): Promise<readonly Result[]> {
  const withBenthos = options.peers.includes("benthos");
  if (withBenthos) await benthosProgram();
  const results: Result[] = [];
  const peers: Result[] = [];
  for (const each of cases) {
    const ratio: Record<string, number> = {};
    const ours = options.peersOnly ? undefined : await throughBus(each, options.seconds);
    if (ours !== undefined) {
      say(`${each.name}: the bare loop`);
      const raw = await throughLoop(each.rawBatch);
      ratio.raw = ours.rate / raw.rate;
      peers.push({ case: `raw-${each.name}`, unit: "packets/s", rate: raw.rate, ...raw.usage });
    }
    if (withBenthos) {
      say(`${each.name}: benthos`);
      const benthos = await runBenthos(each.benthos);
      if (ours !== undefined) ratio.benthos = ours.rate / benthos.rate;
      const { rate, usage } = benthos;
      peers.push({ case: `benthos-${each.name}`, unit: "packets/s", rate, ...usage });
    }
    if (ours === undefined) continue;
    results.push({ case: each.name, unit: "packets/s", rate: ours.rate, ...ours.usage, ratio });
  }
  return [...results, ...peers];
}

type Ran = { readonly rate: number; readonly usage: Usage };

/**
 * Runs dbusd and counts what its first output has written over some seconds, after one second to
 * warm up. The counts come from its admin API, the time from the clock of this process.
 */
async function throughBus(each: Case, seconds: number): Promise<Ran> {
  say(`${each.name}: the bus`);
  const dir = await runDir("dryrun");
  const port = await freePort();
  const bus = await startDbusd(
    { state: { dir: join(dir, "state") }, admin: { port }, ...each.config },
    dir,
  );
  try {
    const written = () => writtenPackets(port);
    await waitFor(written, { what: "the first packets", timeoutMs: 30_000, intervalMs: 50 });
    await Bun.sleep(1_000);
    const from = { packets: await written(), at: performance.now() };
    await Bun.sleep(seconds * 1_000);
    const to = { packets: await written(), at: performance.now() };
    const rate = (to.packets - from.packets) / ((to.at - from.at) / 1_000);
    return { rate, usage: bus.usage() };
  } finally {
    await bus.stop();
  }
}

async function writtenPackets(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/stat`);
  const stat = (await answer.json()) as Pick<Stat, "outputs">;
  return stat.outputs[0]?.packets ?? 0;
}

/** The bare loop prints how many packets it moved in how many seconds. */
async function throughLoop(batch: number): Promise<Ran> {
  const logFile = join(await runDir("dryrun"), "log");
  const path = join(import.meta.dir, "programs/raw-batches.ts");
  const run = await startMeasured([process.execPath, path, "2", String(batch)], { logFile });
  const [code, text] = await Promise.all([run.exited, run.output]);
  if (code !== 0) throw new Error(`the bare loop ended with ${code}: ${await run.logTail()}`);
  const { packets, seconds } = JSON.parse(text) as { packets: number; seconds: number };
  return { rate: packets / seconds, usage: run.usage() };
}
