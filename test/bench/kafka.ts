import { startKafka } from "../services/kafka.ts";
import { freePort } from "../services/port.ts";
import { runDir } from "../services/run-dir.ts";
import { type KafkaWitness, kafkaWitness } from "../support/kafka-topic.ts";
import { type Bench, type BenchOptions, say } from "./bench.ts";
import { startDbusd } from "./dbus.ts";
import type { Measured, Usage } from "./measure.ts";
import { mirrorMakerLibs, startJavaProducer, startMirrorMaker } from "./peers/kafka-tools.ts";
import type { Result } from "./result.ts";

const recordBytes = 200;
const partitions = 4;
const pollMs = 10;
/** A program that does not go on for so long has failed, whatever it is waiting for. */
const stallMsMax = 90_000;

/** What there is for a case to work with. */
type Rig = {
  readonly bootstrap: string;
  readonly witness: KafkaWitness;
  readonly rows: number;
};

/** How a program did: from its start, and from the first record that was seen. */
type Moved = { readonly wholeSeconds: number; readonly seconds: number; readonly usage: Usage };

export const kafkaIn: Bench = {
  name: "kafka-in",
  summary: "records of 200 bytes from four partitions of Kafka into a sink that takes everything",
  peers: ["platformatic"],
  defaults: { seconds: 0, rows: 2_000_000 },
  run: (options) => withRig(options, true, (rig) => drivers(options, (own) => startIn(rig, own))),
};

export const mirror: Bench = {
  name: "mirror",
  summary: "records of 200 bytes from a topic of four partitions into another, as they are",
  peers: ["platformatic", "mm2"],
  defaults: { seconds: 0, rows: 2_000_000 },
  run: (options) =>
    withRig(options, true, async (rig) => {
      const all = await drivers(options, (own) => startMirror(rig, own));
      if (options.peers.includes("mm2")) {
        await mirrorMakerLibs();
        const program = await startMirrorMaker(rig.bootstrap, "load", await runDir("mm2"));
        all.push(["mm2", await moved({ program, rig, topic: "a.load" }, countOf)]);
      }
      return all;
    }),
};

export const kafkaOut: Bench = {
  name: "kafka-out",
  summary: "made-up records of 200 bytes into a topic of four partitions, acknowledged by all",
  peers: ["platformatic", "java", "java-tuned"],
  defaults: { seconds: 0, rows: 2_000_000 },
  run: (options) =>
    withRig(options, false, async (rig) => {
      const all = await drivers(options, (own) => startOut(rig, own));
      const load = { rows: rig.rows, bytes: recordBytes };
      // Its default batch, and one that is as large as ours.
      const tuned = ["batch.size=1000000", "linger.ms=5", "buffer.memory=67108864"];
      for (const [name, settings] of [
        ["java", []],
        ["java-tuned", tuned],
      ] as const) {
        if (!options.peers.includes(name)) continue;
        await rig.witness.createTopic(name, partitions);
        const dir = await runDir(name);
        const program = await startJavaProducer(rig.bootstrap, name, load, dir, settings);
        all.push([name, await moved({ program, rig, topic: name }, countOf)]);
      }
      return all;
    }),
};

/** A program that runs, and where it writes to; an input's own count where it writes nowhere. */
type Moving = {
  readonly program: Measured;
  readonly rig: Rig;
  readonly topic?: string;
  readonly admin?: string;
};

type Own = { readonly driver: string; readonly topic: string };

/** dbus on its default driver, and on the other one where that is asked for as a peer. */
async function drivers(
  { peers, peersOnly }: BenchOptions,
  start: (own: Own) => Promise<Moving>,
): Promise<[string, Moved][]> {
  const all: [string, Moved][] = [];
  const own = { driver: "kafkajs", topic: "out" };
  if (!peersOnly) all.push(["dbus", await moved(await start(own), countOf)]);
  if (!peers.includes("platformatic")) return all;
  const other = { driver: "platformatic", topic: "out2" };
  all.push(["platformatic", await moved(await start(other), countOf)]);
  return all;
}

async function withRig(
  { rows }: BenchOptions,
  filled: boolean,
  run: (rig: Rig) => Promise<readonly (readonly [string, Moved])[]>,
): Promise<readonly Result[]> {
  const kafka = await startKafka();
  const witness = await kafkaWitness(kafka.bootstrap);
  const rig = { bootstrap: kafka.bootstrap, witness, rows };
  try {
    if (filled) await fill(rig);
    return resultsOf(rows, await run(rig));
  } finally {
    await witness.close();
    await kafka.stop();
  }
}

async function fill({ bootstrap, witness, rows }: Rig): Promise<void> {
  say(`writing ${rows} records of ${recordBytes} bytes`);
  await witness.createTopic("load", partitions);
  const load = { rows, bytes: recordBytes };
  const tuned = ["batch.size=65536", "linger.ms=5"];
  const program = await startJavaProducer(bootstrap, "load", load, await runDir("fill"), tuned);
  if ((await program.exited) !== 0) throw new Error(`the load failed: ${await program.logTail()}`);
}

const base = (dir: string, port: number) => ({
  state: { dir: `${dir}/state` },
  admin: { port },
  log: { level: "warn" },
});

async function startIn(rig: Rig, { driver }: Own): Promise<Moving> {
  const dir = await runDir("kafka-in");
  const port = await freePort();
  const brokers = rig.bootstrap.split(",");
  const program = await startDbusd(
    {
      ...base(dir, port),
      inputs: [{ name: "in", plugin: "KafkaInput", brokers, topics: ["load"], driver }],
      outputs: [{ name: "out", plugin: "MockOutput", match: "*" }],
    },
    dir,
  );
  return { program, rig, admin: `http://127.0.0.1:${port}` };
}

async function startMirror(rig: Rig, { driver, topic }: Own): Promise<Moving> {
  const dir = await runDir("mirror");
  const brokers = rig.bootstrap.split(",");
  const to = { partition: "source", topic: `${topic}.\${ident}`, headers: false, driver };
  const program = await startDbusd(
    {
      ...base(dir, 0),
      // As etc/mirror.yaml has it.
      bus: { window: { packets: 4096 } },
      inputs: [{ name: "from", plugin: "KafkaInput", brokers, topics: ["load"], driver }],
      outputs: [{ name: "to", plugin: "KafkaOutput", match: "*", brokers, ...to, ...batching }],
    },
    dir,
  );
  return { program, rig, topic: `${topic}.load` };
}

const batching = { batch: { countMax: 4096, lingerMs: 50 } };

async function startOut(rig: Rig, { driver, topic }: Own): Promise<Moving> {
  const dir = await runDir("kafka-out");
  const brokers = rig.bootstrap.split(",");
  await rig.witness.createTopic(topic, partitions);
  const to = { partition: "roundRobin", topic, headers: false, driver };
  const mock = { count: rig.rows, size: recordBytes };
  const program = await startDbusd(
    {
      ...base(dir, 0),
      inputs: [{ name: "mock", plugin: "MockInput", ...mock }],
      outputs: [{ name: "to", plugin: "KafkaOutput", match: "mock", brokers, ...to, ...batching }],
    },
    dir,
  );
  return { program, rig, topic };
}

/** How many records have arrived: as Kafka says, or as the input says when there is no topic. */
async function countOf({ rig, topic, admin }: Moving): Promise<number> {
  if (topic !== undefined) return rig.witness.readable(topic).catch(() => 0);
  const answer = await fetch(`${admin}/api/v1/stat`).catch(() => undefined);
  if (!answer?.ok) return 0;
  const { outputs } = (await answer.json()) as { outputs: { packets: number }[] };
  return outputs[0]?.packets ?? 0;
}

async function moved(moving: Moving, count: (moving: Moving) => Promise<number>): Promise<Moved> {
  const { program, rig } = moving;
  let first: { readonly at: number; readonly seen: number } | undefined;
  let last = { seen: 0, at: performance.now() };
  for (;;) {
    const seen = await count(moving);
    const now = performance.now();
    if (seen > 0) first ??= { at: now, seen };
    if (seen >= rig.rows) break;
    if (seen > last.seen) last = { seen, at: now };
    if (now - last.at > stallMsMax) {
      throw new Error(`${seen} of ${rig.rows} records came:\n${await program.logTail()}`);
    }
    await Bun.sleep(pollMs);
  }
  const done = performance.now();
  const usage = program.usage();
  await program.stop();
  const { at = program.startedAt, seen = 0 } = first ?? {};
  // What was there at the first look counts as moved before the time began.
  const share = (rig.rows - seen) / rig.rows;
  const seconds = (done - at) / 1000 / Math.max(share, 0.01);
  return { seconds, wholeSeconds: (done - program.startedAt) / 1000, usage };
}

function resultsOf(rows: number, all: readonly (readonly [string, Moved])[]): Result[] {
  const peers = all.filter(([who]) => who !== "dbus");
  return all.flatMap(([who, own]) =>
    (["seconds", "wholeSeconds"] as const).map((span): Result => {
      const rate = rows / own[span];
      const ratio = Object.fromEntries(
        peers.map(([peer, its]) => [peer, rate / (rows / its[span])]),
      );
      const name = span === "seconds" ? who : `${who}-whole`;
      const result = { case: name, rate, unit: "records/s", ...own.usage };
      return who === "dbus" && peers.length > 0 ? { ...result, ratio } : result;
    }),
  );
}
