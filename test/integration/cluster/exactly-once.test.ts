// test-timeout: 30m
import { expect } from "bun:test";
import { allEnded } from "../../contract/kafka-transactor.ts";
import { startKafka, startZookeeperEnsemble, useStarted } from "../../services/index.ts";
import { busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import { createMonkey } from "../../support/bus-cluster/monkey.ts";
import { waitFor } from "../../support/index.ts";
import { type KafkaPeer, kafkaPeer } from "../../support/kafka-peer.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** How long it rages; `DBUS_ONCE_SECONDS=300` is the long form. */
const seconds = Number(process.env.DBUS_ONCE_SECONDS ?? 15);
const sessionTimeoutMs = 3_000;
const everybody = ["p1", "p2", "p3"];
/** Inputs, and the topics that they read. */
const names = ["in0", "in1", "in2", "in3"];
const copyOf = (name: string) => `copy.${name}`;
const perTurn = 20;

const services = await useStarted("Kafka and three ZooKeeper servers", async () => ({
  kafka: await startKafka(),
  zookeeper: await startZookeeperEnsemble({ tickMs: 200 }),
  stop: async () => {},
}));

async function makeTopics(peer: KafkaPeer, bootstrap: string): Promise<void> {
  for (const topic of [...names, ...names.map(copyOf)]) {
    await peer.createTopic(topic, 1).catch(() => {});
    await waitFor(() => allEnded({ driver: "kafkajs", bootstrap }, topic, 1), { what: topic });
  }
}

/** Writes to every topic in turn until it is stopped; resolves to how many records each has. */
function keepWriting(peer: KafkaPeer): { stop(): Promise<number> } {
  let written = 0;
  let stopping = false;
  const writing = (async () => {
    while (!stopping) {
      const keys = Array.from({ length: perTurn }, (_, i) => `${written + i}`);
      for (const name of names) await peer.produceByKey(name, keys);
      written += perTurn;
    }
  })();
  return {
    async stop() {
      stopping = true;
      await writing;
      return written;
    },
  };
}

const keysIn = async (bootstrap: string, topic: string) =>
  (await readTopic(bootstrap, topic)).map(({ key }) => Number(`${key}`));

services.test(
  "a monkey kills, stops and ends participants and ZooKeeper: with exactlyOnce every record is there once, in order (faults 34, 72) (effectively once)",
  async ({ kafka, zookeeper }) => {
    const { bootstrap } = kafka;
    const random = seededRandom(testSeed("exactly once in a cluster"));
    const dir = tempDir("once-cluster");
    const peer = await kafkaPeer(bootstrap);
    await makeTopics(peer, bootstrap);
    const brokers = [bootstrap];
    const config = {
      bus: { checkpointIntervalMs: 1_000 },
      inputs: names.map((name) => ({ name, plugin: "KafkaInput", brokers, topics: [name] })),
      outputs: [
        {
          ...{ name: "to", plugin: "KafkaOutput", match: "*", brokers, topic: "copy.${ident}" },
          ...{ requestTimeoutMs: 5_000, exactlyOnce: { timeoutMs: 10_000 } },
          batch: { countMax: 200, lingerMs: 20 },
          retry: { times: 5, delayMs: 50, delayMsMax: 500 },
        },
      ],
    };
    const { connect } = zookeeper;
    const cluster = busCluster({ connect, name: "once", dir, sessionTimeoutMs, config });
    const monkey = createMonkey({ cluster, zookeeper, everybody, sessionTimeoutMs, random });
    try {
      await Promise.all(everybody.map((pid) => cluster.start(pid)));
      await cluster.settled(everybody, 60_000);
      const writer = keepWriting(peer);
      const until = performance.now() + seconds * 1_000;
      while (performance.now() < until) await monkey.act();
      await monkey.heal();
      await cluster.settled(everybody, 60_000);
      const written = await writer.stop();
      const whole = async () => {
        const found = await Promise.all(names.map((name) => keysIn(bootstrap, copyOf(name))));
        return found.every((keys) => new Set(keys).size >= written);
      };
      await waitFor(whole, { timeoutMs: 120_000, intervalMs: 500, what: "all to be written" });
      for (const pid of everybody) expect(await cluster.daemons.get(pid)?.stop()).toBe(0);
      for (const name of names) {
        const ended = () => allEnded({ driver: "kafkajs", bootstrap }, copyOf(name), 1);
        await waitFor(ended, { what: "the transactions to end", timeoutMs: 30_000 });
        const expected = Array.from({ length: written }, (_, n) => n);
        expect(await keysIn(bootstrap, name)).toEqual(expected);
        expect([name, await keysIn(bootstrap, copyOf(name))]).toEqual([name, expected]);
      }
      const done = `${monkey.deeds.length} deeds, ${monkey.deaths} deaths`;
      process.stderr.write(`[once] ${done}: ${written} records of each input, each once\n`);
      expect(written).toBeGreaterThan(100);
    } finally {
      await monkey.heal().catch(() => {});
      await cluster.stop();
      await peer.close();
      await zookeeper.stop();
      await kafka.stop();
    }
  },
  (seconds + 300) * 1_000,
);
