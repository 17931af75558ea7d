import { expect } from "bun:test";
import { join } from "node:path";
import { newTopicName } from "../../contract/kafka-producer.ts";
import { allEnded } from "../../contract/kafka-transactor.ts";
import { startKafka, startMysql, useStarted } from "../../services/index.ts";
import { runDir } from "../../services/run-dir.ts";
import { crashRounds } from "../../support/crash-rounds.ts";
import { daemonsOf } from "../../support/daemon-process.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { type Random, seededRandom, testSeed, waitFor } from "../../support/index.ts";
import { type KafkaWitness, kafkaWitness, makeTopics } from "../../support/kafka-topic.ts";
import { numberOf, startKafkaWriter } from "../../support/kafka-writer.ts";
import { checkLedger, reportText } from "../../support/ledger-checker.ts";
import { type Sighting, sightingsOf } from "../../support/ledger-records.ts";
import { committedChanges, createLedger, startLedgerWriter } from "../../support/ledger-writer.ts";
import { throughFaults, transactionFaults } from "../../support/mirror-faults.ts";

/*
 * The proof of `effectively once` for KafkaInput and MysqlbinlogInput with a KafkaOutput that is
 * exactlyOnce: dbusd is killed again and again, and whoever reads what is committed has everything
 * once and in order. The witness is a client of its own, of isolation level read_committed.
 */

/** More by DBUS_ONCE_KILLS and DBUS_ONCE_FAULTS: the long form. */
const kills = Number(process.env.DBUS_ONCE_KILLS ?? 3);
const faults = Number(process.env.DBUS_ONCE_FAULTS ?? 4);
const partitions = 3;

/** What was held up while there were faults takes its time; to look at all of it does too. */
const patience = { timeoutMs: 240_000, intervalMs: 1_000 };

const services = await useStarted("Kafka and MySQL for exactly once", async () => {
  // What a killed process leaves open is aborted by the next one, not by the brokers.
  const [kafka, mysql] = await Promise.all([startKafka(), startMysql()]);
  const { port = 0 } = kafka.brokers[0] ?? {};
  const proxy = await faultProxy({ port }, { seed: 72, protocol: "kafka" });
  return { kafka, mysql, proxy };
});

type Loop = {
  readonly witness: KafkaWitness;
  readonly bootstrap: string;
  readonly random: Random;
  readonly config: Readonly<Record<string, unknown>>;
  readonly dir: string;
  readonly topics: readonly string[];
};

const outputOf = (bootstrap: string, own: Readonly<Record<string, unknown>>) => ({
  ...{ name: "to", plugin: "KafkaOutput", match: "*", brokers: bootstrap.split(",") },
  ...{ requestTimeoutMs: 5_000, exactlyOnce: { timeoutMs: 20_000 } },
  batch: { countMax: 200, lingerMs: 20 },
  retry: { times: 5, delayMs: 50, delayMsMax: 500 },
  ...own,
});

/** Until no transaction is open on these. */
async function ended(bootstrap: string, topics: readonly string[]): Promise<void> {
  for (const topic of topics) {
    const all = () => allEnded({ driver: "kafkajs", bootstrap }, topic, partitions);
    await waitFor(all, { what: `transactions on ${topic} to end`, timeoutMs: 30_000 });
  }
}

/** A topic that is copied, from one address of the broker to another. */
function mirrorOf(dir: string, from: string, to = from) {
  const topic = newTopicName("once");
  const copy = `copy.${topic}`;
  const quick = { requestTimeoutMs: 3_000, connectTimeoutMs: 1_000 };
  const config = {
    bus: { window: { packets: 2_048 }, checkpointIntervalMs: 1_000 },
    state: { dir: join(dir, "state") },
    inputs: [
      {
        ...{ name: "from", plugin: "KafkaInput", brokers: [to], topics: [topic] },
        ...{ ...quick, fetchWaitMs: 100 },
      },
    ],
    outputs: [outputOf(to, { topic: "copy.${ident}", partition: "source", ...quick })],
  };
  /** The numbers of the records of each partition, in their order. */
  const read = async (witness: KafkaWitness) => {
    const found = Array.from({ length: partitions }, (): number[] => []);
    await witness.readAll(copy, ({ partition, value }) => {
      found[partition]?.push(numberOf(value));
    });
    return found;
  };
  return { topic, copy, config, read };
}

/** Kills dbusd so often, then lets it come to its end, and once more with nothing left to do. */
async function killLoop(loop: Loop, whole: () => Promise<boolean>): Promise<void> {
  const { witness, bootstrap, random, config, dir, topics } = loop;
  const daemons = daemonsOf({ dir, config });
  const { start } = daemons;
  try {
    const crash = crashRounds({ witness, topics, random, start, checkpointMs: 1_000 });
    for (let round = 1; round <= kills; round++) await crash.killOnce();
    const last = await start();
    const complete = async () => {
      if (!last.running) throw new Error(`dbusd ended by itself:\n${await last.log()}`);
      return whole();
    };
    await waitFor(complete, { what: "everything to be committed", ...patience });
    expect(await last.stop()).toBe(0);
    const again = await start();
    await again.ready();
    expect(await again.stop()).toBe(0);
    await ended(bootstrap, topics);
  } finally {
    daemons.kill();
  }
}

services.test(
  `fault 72: after ${kills} times SIGKILL a mirror has every record once, in order (effectively once)`,
  async ({ kafka }) => {
    const random = seededRandom(testSeed("exactly once, Kafka to Kafka"));
    const [dir, witness] = [await runDir("once-mirror"), await kafkaWitness(kafka.bootstrap)];
    const mirror = mirrorOf(dir, kafka.bootstrap);
    const { topic, copy, config } = mirror;
    const read = () => mirror.read(witness);
    try {
      await makeTopics(witness, [topic, copy], partitions);
      const writer = await startKafkaWriter({ ...kafka, topic, partitions, batch: 50 });
      let written: readonly number[] | undefined;
      const loop = { witness, ...kafka, random, config, dir, topics: [copy] };
      await killLoop(loop, async () => {
        written ??= await writer.stop();
        const found = await read();
        return found.every((ofOne, i) => new Set(ofOne).size >= (written?.[i] ?? 0));
      });
      const expected = written?.map((count) => Array.from({ length: count }, (_, n) => n));
      const found = await read();
      process.stderr.write(`[once] ${written} records, ${found.map((one) => one.length)} there\n`);
      expect(found).toEqual(expected as number[][]);
    } finally {
      await witness.close();
    }
  },
  120_000 + kills * 20_000,
);

services.test(
  `${faults} faults at random: a mirror has every record once, in order (effectively once)`,
  async ({ kafka, proxy }) => {
    const random = seededRandom(testSeed("exactly once through faults"));
    const [dir, witness] = [await runDir("once-faults"), await kafkaWitness(kafka.bootstrap)];
    const mirror = mirrorOf(dir, kafka.bootstrap, `127.0.0.1:${proxy.port}`);
    const { topic, copy, config } = mirror;
    await makeTopics(witness, [topic, copy], partitions);
    const writer = await startKafkaWriter({ ...kafka, topic, partitions, batch: 4 });
    const daemons = daemonsOf({ dir, config });
    const kinds = transactionFaults;
    const around = { kinds, count: faults, daemons, proxy, random, copy, witness };
    try {
      await throughFaults(around, async (told) => {
        const written = await writer.stop();
        const expected = written.map((count) => Array.from({ length: count }, (_, n) => n));
        const whole = async () => {
          const { last } = daemons;
          if (!last.running) throw new Error(`dbusd ended by itself:\n${await last.log()}`);
          const found = await mirror.read(witness);
          return found.every((ofOne, i) => new Set(ofOne).size >= (written[i] ?? 0));
        };
        await waitFor(whole, { what: `all to be there after ${told}`, ...patience });
        expect(await daemons.last.stop()).toBe(0);
        await ended(kafka.bootstrap, [copy]);
        process.stderr.write(`[once] ${told.join(", ")}: ${written} records\n`);
        expect(await mirror.read(witness)).toEqual(expected);
      });
    } finally {
      await witness.close();
    }
  },
  120_000 + faults * 20_000,
);

services.test(
  `fault 72: after ${kills} times SIGKILL every committed row is in Kafka once, each key in order (effectively once)`,
  async ({ kafka, mysql }) => {
    const random = seededRandom(testSeed("exactly once, MySQL to Kafka"));
    const [dir, witness] = [await runDir("once-rows"), await kafkaWitness(kafka.bootstrap)];
    const topics = ["ledger.item", "ledger.txn"];
    const config = {
      bus: { window: { packets: 2_048 }, checkpointIntervalMs: 1_000 },
      state: { dir: join(dir, "state") },
      inputs: [
        {
          ...{ name: "ledger", plugin: "MysqlbinlogInput", tables: topics, start: "earliest" },
          ...{ host: "127.0.0.1", port: mysql.port, user: "root", password: "" },
        },
      ],
      outputs: [outputOf(kafka.bootstrap, { topic: "ledger.${tbl}", format: "row" })],
    };
    const sightings = async () => {
      const all: Sighting[] = [];
      for (const topic of topics) {
        await witness.readAll(topic, ({ value }) => void all.push(...sightingsOf(value)));
      }
      return all;
    };
    try {
      await makeTopics(witness, topics, partitions);
      await createLedger(mysql);
      const keys = { keys: 400, changesMax: 200, pauseMsMax: 20 };
      const own = seededRandom(random.int(0, 2 ** 31));
      const writer = await startLedgerWriter(mysql, { ...keys, writer: 1, random: own });
      let committed: Awaited<ReturnType<typeof committedChanges>> | undefined;
      await killLoop({ witness, ...kafka, random, config, dir, topics }, async () => {
        if (!committed) {
          await writer.stop();
          committed = await committedChanges(mysql);
        }
        return checkLedger(committed, await sightings()).lost.count === 0;
      });
      const report = checkLedger(committed ?? [], await sightings());
      process.stderr.write(`[once] ${reportText(report)}\n`);
      const { lost, strange, changed, disordered, stale, duplicates } = report;
      const wrong = { lost, strange, changed, disordered, stale };
      expect(Object.values(wrong).map(({ count }) => count)).toEqual([0, 0, 0, 0, 0]);
      expect(duplicates).toBe(0);
      expect(report.committed).toBeGreaterThan(500);
    } finally {
      await witness.close();
    }
  },
  120_000 + kills * 20_000,
);
