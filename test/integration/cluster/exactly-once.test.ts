// test-timeout: 60m
import { expect } from "bun:test";
import { allEnded } from "../../contract/kafka-transactor.ts";
import {
  type KafkaService,
  sharedMysql,
  startKafka,
  startZookeeperEnsemble,
  useStarted,
  type ZookeeperEnsemble,
} from "../../services/index.ts";
import { type BusCluster, busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import { createMonkey } from "../../support/bus-cluster/monkey.ts";
import { mysqlShares } from "../../support/bus-cluster/mysql-shares.ts";
import { waitFor } from "../../support/index.ts";
import { type KafkaPeer, kafkaPeer } from "../../support/kafka-peer.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { tempDir } from "../../support/temp-dir.ts";

/*
 * The proof of `effectively once` in a cluster: participants are killed, stopped and let go on, so
 * that resources move all the while, and whoever reads what is committed has everything once.
 */

/** How long each of them rages; `DBUS_ONCE_SECONDS=300` is the long form. */
const secondsOf = (short: number) => Number(process.env.DBUS_ONCE_SECONDS ?? short);
const sessionTimeoutMs = 3_000;
const everybody = ["p1", "p2", "p3"];
const perTurn = 20;

const services = await useStarted("Kafka, MySQL and three ZooKeeper servers", async () => {
  const started = [startKafka(), startZookeeperEnsemble({ tickMs: 200 })] as const;
  const [kafka, zookeeper] = await Promise.all(started);
  return { kafka, zookeeper, mysql: await sharedMysql("mysql") };
});

async function makeTopics(bootstrap: string, topics: readonly string[]): Promise<void> {
  const peer = await kafkaPeer(bootstrap);
  for (const topic of topics) {
    await peer.createTopic(topic, 1).catch(() => {});
    await waitFor(() => allEnded({ driver: "kafkajs", bootstrap }, topic, 1), { what: topic });
  }
  await peer.close();
}

type Writer = { stop(): Promise<void>; readonly written: number };

/** Writes to every topic in turn until it is stopped. */
function keepWriting(peer: KafkaPeer, topics: readonly string[]): Writer {
  let written = 0;
  let stopping = false;
  const writing = (async () => {
    while (!stopping) {
      const keys = Array.from({ length: perTurn }, (_, i) => `${written + 1 + i}`);
      for (const topic of topics) await peer.produceByKey(topic, keys);
      written += perTurn;
    }
  })();
  return {
    get written() {
      return written;
    },
    async stop() {
      stopping = true;
      await writing;
    },
  };
}

type Rage = {
  readonly name: string;
  readonly inputs: readonly (Readonly<Record<string, unknown>> & { readonly name: string })[];
  readonly output: Readonly<Record<string, unknown>>;
  /** The topics that are written to, each with the numbers from 1 on, one after the other. */
  readonly copies: readonly string[];
  readonly seconds: number;
  /** What is done first, by whom the inputs are shared. */
  before?(cluster: BusCluster): Promise<void>;
  /** Starts whoever makes the numbers. */
  write(): Writer;
};

/** By its key, of a record as of a row. */
const numberIn = (key: Buffer | null): number => {
  const parsed: unknown = JSON.parse(`${key}`);
  return typeof parsed === "number" ? parsed : (parsed as { readonly id: number }).id;
};

const numbersIn = async (bootstrap: string, topic: string) =>
  (await readTopic(bootstrap, topic)).map(({ key }) => numberIn(key));

async function everythingOnce(
  { kafka, zookeeper }: { readonly kafka: KafkaService; readonly zookeeper: ZookeeperEnsemble },
  { name, inputs, output, copies, seconds, before, write }: Rage,
): Promise<void> {
  const { bootstrap } = kafka;
  const random = seededRandom(testSeed(`exactly once in a cluster: ${name}`));
  const brokers = [bootstrap];
  const config = {
    bus: { checkpointIntervalMs: 1_000 },
    inputs,
    outputs: [
      {
        ...{ name: "to", plugin: "KafkaOutput", match: "*", brokers },
        ...{ requestTimeoutMs: 5_000, exactlyOnce: { timeoutMs: 10_000 } },
        retry: { times: 5, delayMs: 50, delayMsMax: 500 },
        ...output,
      },
    ],
  };
  const { connect } = zookeeper;
  const cluster = busCluster({ connect, name, dir: tempDir(name), sessionTimeoutMs, config });
  const monkey = createMonkey({ cluster, zookeeper, everybody, sessionTimeoutMs, random });
  try {
    await makeTopics(bootstrap, copies);
    await Promise.all(everybody.map((pid) => cluster.start(pid)));
    await cluster.settled(everybody, 60_000);
    const writer = write();
    await before?.(cluster);
    const until = performance.now() + seconds * 1_000;
    while (performance.now() < until) await monkey.act();
    await monkey.heal();
    await cluster.settled(everybody, 60_000);
    await writer.stop();
    const { written } = writer;
    const whole = async () => {
      const found = await Promise.all(copies.map((copy) => numbersIn(bootstrap, copy)));
      const sizes = found.map((numbers) => new Set(numbers).size);
      if (sizes.some((size) => size < written)) throw new Error(`${sizes} of ${written}`);
      return true;
    };
    // What was held up while it raged takes its time, on a busy machine as long again.
    const timeoutMs = 120_000 + seconds * 1_000;
    await waitFor(whole, { timeoutMs, intervalMs: 1_000, what: "all to be written" });
    for (const pid of everybody) expect(await cluster.daemons.get(pid)?.stop()).toBe(0);
    const expected = Array.from({ length: written }, (_, n) => n + 1);
    for (const copy of copies) {
      const ended = () => allEnded({ driver: "kafkajs", bootstrap }, copy, 1);
      await waitFor(ended, { what: "the transactions to end", timeoutMs: 30_000 });
      expect([copy, await numbersIn(bootstrap, copy)]).toEqual([copy, expected]);
    }
    const done = `${monkey.deeds.length} deeds, ${monkey.deaths} deaths`;
    process.stderr.write(`[once] ${name}, ${done}: ${written} of each input, each once\n`);
    expect(written).toBeGreaterThan(100);
  } finally {
    await monkey.heal().catch(() => {});
    await cluster.stop();
  }
}

services.test(
  "a monkey kills, stops and ends participants and ZooKeeper: with exactlyOnce every record is there once, in order (faults 34, 72) (effectively once)",
  async (started) => {
    const { bootstrap } = started.kafka;
    const names = ["in0", "in1", "in2", "in3"];
    const peer = await kafkaPeer(bootstrap);
    try {
      await makeTopics(bootstrap, names);
      const from = { plugin: "KafkaInput", brokers: [bootstrap] };
      await everythingOnce(started, {
        name: "once-records",
        inputs: names.map((name) => ({ name, ...from, topics: [name] })),
        output: { topic: "copy.${ident}", batch: { countMax: 200, lingerMs: 20 } },
        copies: names.map((name) => `copy.${name}`),
        seconds: secondsOf(15),
        write: () => keepWriting(peer, names),
      });
    } finally {
      await peer.close();
    }
  },
  (2 * secondsOf(15) + 300) * 1_000,
);

/** The owner of an input is stopped until all is another's, and goes on while that one writes. */
async function oneWakesUpLate(cluster: BusCluster): Promise<void> {
  const [first] = (await cluster.owners()).values();
  const zombie = cluster.daemons.get(first?.owner ?? "");
  zombie?.kill("SIGSTOP");
  try {
    await cluster.settled(
      everybody.filter((pid) => pid !== first?.owner),
      60_000,
    );
  } finally {
    zombie?.kill("SIGCONT");
  }
}

services.test(
  "rows of MySQL, while participants wake up late, are killed, stopped and end: with exactlyOnce every row is there once, in order (faults 34, 72) (effectively once)",
  async (started) => {
    // Transactions are longer than batches, so that positions are kept in the middle of them.
    const [shares, countMax] = [await mysqlShares(started.mysql, tempDir("once"), 4, 5, 20), 8];
    try {
      await everythingOnce(started, {
        name: "once-rows",
        inputs: shares.inputs,
        output: { topic: "${db}.${tbl}", batch: { countMax, lingerMs: 20 } },
        copies: shares.tables,
        seconds: secondsOf(5),
        before: oneWakesUpLate,
        write: () => shares,
      });
    } finally {
      await shares.stop();
    }
  },
  (2 * secondsOf(5) + 300) * 1_000,
);
