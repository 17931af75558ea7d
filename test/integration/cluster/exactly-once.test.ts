// test-timeout: 30m
import { expect } from "bun:test";
import { allEnded } from "../../contract/kafka-transactor.ts";
import { startKafka, startZookeeperEnsemble, useStarted } from "../../services/index.ts";
import { busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import { createMonkey } from "../../support/bus-cluster/monkey.ts";
import { waitFor } from "../../support/index.ts";
import { kafkaPeer } from "../../support/kafka-peer.ts";
import { readTopic } from "../../support/kafka-read.ts";
import { seededRandom, testSeed } from "../../support/random.ts";
import { tempDir } from "../../support/temp-dir.ts";

/** How long it rages; `DBUS_ONCE_SECONDS=300` is the long form. */
const seconds = Number(process.env.DBUS_ONCE_SECONDS ?? 20);
const sessionTimeoutMs = 3_000;
const everybody = ["p1", "p2", "p3"];
const names = ["in0", "in1", "in2", "in3"];
const topic = "once";

const services = await useStarted("Kafka and three ZooKeeper servers", async () => ({
  kafka: await startKafka(),
  zookeeper: await startZookeeperEnsemble({ tickMs: 200 }),
  stop: async () => {},
}));

/** What each input's records in Kafka were, by their positions, in the order of the topic. */
async function positionsIn(bootstrap: string): Promise<ReadonlyMap<string, readonly number[]>> {
  const found = new Map(names.map((name) => [name, [] as number[]]));
  for (const { headers } of await readTopic(bootstrap, topic)) {
    const [name = "", position] = `${headers?.["dbus-id"]}`.split(":");
    found.get(name)?.push(Number(position));
  }
  return found;
}

services.test(
  "a monkey kills, stops and ends participants and ZooKeeper: with exactlyOnce every record is there once, in order (faults 34, 72)",
  async ({ kafka, zookeeper }) => {
    const { bootstrap } = kafka;
    const random = seededRandom(testSeed("exactly once in a cluster"));
    const dir = tempDir("once-cluster");
    const peer = await kafkaPeer(bootstrap);
    await peer.createTopic(topic, 1).catch(() => {});
    const ended = () => allEnded({ driver: "kafkajs", bootstrap }, topic, 1);
    await waitFor(ended, { what: "the topic to be led" });
    await peer.close();
    const config = {
      bus: { checkpointIntervalMs: 1_000 },
      inputs: names.map((name) => ({ name, plugin: "MockInput", size: 20, rate: 100 })),
      outputs: [
        {
          ...{ name: "to", plugin: "KafkaOutput", match: "*", brokers: [bootstrap], topic },
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
      const until = performance.now() + seconds * 1_000;
      while (performance.now() < until) await monkey.act();
      await monkey.heal();
      await cluster.settled(everybody, 60_000);
      const before = await positionsIn(bootstrap);
      await waitFor(
        async () => {
          const now = await positionsIn(bootstrap);
          return names.every(
            (name) => (now.get(name)?.length ?? 0) > (before.get(name)?.length ?? 0),
          );
        },
        { timeoutMs: 60_000, intervalMs: 500, what: "every input to be written on" },
      );
      for (const pid of everybody) expect(await cluster.daemons.get(pid)?.stop()).toBe(0);
      await waitFor(ended, { what: "the transactions to end", timeoutMs: 30_000 });
      const found = await positionsIn(bootstrap);
      let records = 0;
      for (const [name, positions] of found) {
        records += positions.length;
        const expected = Array.from({ length: positions.length }, (_, n) => n + 1);
        expect([name, positions]).toEqual([name, expected]);
        expect(positions.length).toBeGreaterThan(100);
      }
      process.stderr.write(
        `[once] ${monkey.deeds.length} deeds, ${monkey.deaths} deaths: ${records} records, each once\n`,
      );
    } finally {
      await monkey.heal().catch(() => {});
      await cluster.stop();
      await zookeeper.stop();
      await kafka.stop();
    }
  },
  (seconds + 300) * 1_000,
);
