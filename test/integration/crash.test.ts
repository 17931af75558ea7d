import { expect } from "bun:test";
import { join } from "node:path";
import { startKafka, startMysql, useStarted } from "../services/index.ts";
import { runDir } from "../services/run-dir.ts";
import {
  crashRounds,
  endsOf,
  type Killed,
  repeatsByRun,
  repeatsMax,
} from "../support/crash-rounds.ts";
import { daemonsOf } from "../support/daemon-process.ts";
import { seededRandom, testSeed, waitFor } from "../support/index.ts";
import { type KafkaWitness, kafkaWitness, makeTopics } from "../support/kafka-topic.ts";
import { checkLedger, reportText } from "../support/ledger-checker.ts";
import { type Sighting, sightingsOf } from "../support/ledger-records.ts";
import { committedChanges, createLedger, startLedgerWriter } from "../support/ledger-writer.ts";

const rounds = 10;
const topics = ["ledger.item", "ledger.txn"];
const windowPackets = 2048;
const checkpointIntervalMs = 200;
/** What a commit may take beyond its interval on a machine that is busy with other tests. */
const commitMsMax = 1_000;

const services = await useStarted("MySQL and Kafka for the crash test", async () => {
  const [mysql, kafka] = await Promise.all([startMysql(), startKafka()]);
  return { mysql, kafka };
});

function configOf(mysqlPort: number, bootstrap: string, dir: string): Record<string, unknown> {
  return {
    bus: { window: { packets: windowPackets }, checkpointIntervalMs },
    state: { dir: join(dir, "state") },
    inputs: [
      {
        name: "ledger",
        plugin: "MysqlbinlogInput",
        ...{ host: "127.0.0.1", port: mysqlPort, user: "root", password: "" },
        tables: ["ledger.item", "ledger.txn"],
        start: "earliest",
      },
    ],
    outputs: [
      {
        name: "kafka",
        plugin: "KafkaOutput",
        match: "ledger",
        brokers: bootstrap.split(","),
        topic: "ledger.${tbl}",
        format: "row",
        // Small batches, so that kills meet many of them on the way.
        batch: { countMax: 200, lingerMs: 20 },
      },
    ],
  };
}

type Placed = Sighting & { readonly at: string; readonly offset: bigint };

async function sightings(witness: KafkaWitness): Promise<Placed[]> {
  const all: Placed[] = [];
  for (const topic of topics) {
    await witness.readAll(topic, ({ value, partition, offset }) => {
      const at = `${topic}/${partition}`;
      for (const seen of sightingsOf(value)) all.push({ ...seen, at, offset });
    });
  }
  return all;
}

services.test(
  `every committed row is in Kafka, each key in order, after ${rounds} times SIGKILL`,
  async ({ mysql, kafka }) => {
    const random = seededRandom(testSeed("crash test"));
    const dir = await runDir("crash");
    const witness = await kafkaWitness(kafka.bootstrap);
    const config = configOf(mysql.port, kafka.bootstrap, dir);
    const daemons = daemonsOf({ dir, config });
    const { start } = daemons;
    try {
      await makeTopics(witness, topics, 3);
      await createLedger(mysql);
      const keys = { keys: 400, changesMax: 200, pauseMsMax: 20 };
      const writers = await Promise.all(
        [1, 2].map((writer) => {
          const own = seededRandom(random.int(0, 2 ** 31));
          return startLedgerWriter(mysql, { ...keys, writer, random: own });
        }),
      );
      const checkpointMs = checkpointIntervalMs + commitMsMax;
      const crash = crashRounds({ witness, topics, random, start, checkpointMs });
      const kills: Killed[] = [];
      for (let round = 1; round <= rounds; round++) kills.push(await crash.killOnce());
      const last = await start();
      await Promise.all(writers.map((writer) => writer.stop()));
      const committed = await committedChanges(mysql);
      let all: Placed[] = [];
      const complete = async () => {
        if (!last.running) throw new Error(`dbusd ended by itself:\n${await last.log()}`);
        all = await sightings(witness);
        return checkLedger(committed, all).lost.count === 0;
      };
      const what = "every committed change to be in Kafka";
      await waitFor(complete, { what, timeoutMs: 60_000, intervalMs: 300 }).catch(() => undefined);
      expect(await last.stop()).toBe(0);

      // What a stop has drained is not read again.
      const stopped = await endsOf(witness, topics);
      const again = await start();
      await again.ready();
      expect(await again.stop()).toBe(0);

      all = await sightings(witness);
      const report = checkLedger(committed, all);
      const named = all.map((seen) => ({ ...seen, name: `${seen.key} ${seen.op} ${seen.n}` }));
      const repeats = repeatsByRun(named, [...kills.map((kill) => kill.ends), stopped]);
      // The first run follows nothing, and the one after the stop nothing that was left over.
      const most = [0, ...repeatsMax(kills, repeats, windowPackets), 0];
      process.stderr.write(`[crash] ${reportText(report)}\n`);
      process.stderr.write(`[crash] repeats ${repeats}, at most ${most}\n`);
      const { lost, strange, changed, disordered, stale } = report;
      expect({ lost, strange, changed, disordered, stale }).toEqual(nothingWrong);
      expect(report.committed).toBeGreaterThan(1_000);
      expect(repeats.map((count, run) => count <= (most[run] ?? 0))).not.toContain(false);
    } finally {
      daemons.kill();
      await witness.close();
      await Promise.all([mysql.stop(), kafka.stop()]);
    }
  },
  300_000,
);

const nothing = { count: 0, examples: [] };
const nothingWrong = {
  ...{ lost: nothing, strange: nothing, changed: nothing },
  ...{ disordered: nothing, stale: nothing },
};
