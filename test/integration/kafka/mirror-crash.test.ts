import { expect } from "bun:test";
import { join } from "node:path";
import { newTopicName } from "../../contract/kafka-producer.ts";
import { startKafka, useStarted } from "../../services/index.ts";
import { runDir } from "../../services/run-dir.ts";
import {
  crashRounds,
  endsOf,
  type Killed,
  repeatsByRun,
  repeatsMax,
} from "../../support/crash-rounds.ts";
import { type DaemonProcess, daemonsOf } from "../../support/daemon-process.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { seededRandom, testSeed, waitFor } from "../../support/index.ts";
import {
  type KafkaWitness,
  kafkaWitness,
  makeTopics,
  type TopicRecord,
} from "../../support/kafka-topic.ts";
import { numberOf, startKafkaWriter } from "../../support/kafka-writer.ts";
import { mirrorFaults, throughFaults } from "../../support/mirror-faults.ts";

const partitions = 3;
const windowPackets = 2_048;
const checkpointIntervalMs = 200;
const commitMsMax = 1_000;
/** More by DBUS_MIRROR_KILLS and DBUS_MIRROR_FAULTS: the long form. */
const kills = Number(process.env.DBUS_MIRROR_KILLS ?? 5);
const faults = Number(process.env.DBUS_MIRROR_FAULTS ?? 10);

const services = await useStarted("kafka behind a proxy for the mirror", async () => {
  let port = 0;
  const proxy = await faultProxy(() => ({ port }), { seed: 72, protocol: "kafka" });
  const properties = { "group.min.session.timeout.ms": "500" };
  const kafka = await startKafka({ properties });
  port = kafka.brokers[0]?.port ?? 0;
  return { kafka, proxy };
});

type Mirror = {
  readonly topic: string;
  readonly copy: string;
  readonly config: Readonly<Record<string, unknown>>;
};

function mirrorOf(dir: string, broker: string, groupId: string | undefined): Mirror {
  const topic = newTopicName("crash");
  const brokers = [broker];
  const config = {
    bus: { window: { packets: windowPackets }, checkpointIntervalMs },
    state: { dir: join(dir, "state") },
    inputs: [
      {
        ...{ name: "from", plugin: "KafkaInput", brokers, topics: [topic] },
        ...(groupId === undefined ? {} : { groupId, sessionTimeoutMs: 1_500, heartbeatMs: 200 }),
        ...{ requestTimeoutMs: 2_000, connectTimeoutMs: 1_000, fetchWaitMs: 100, drainMs: 2_000 },
      },
    ],
    outputs: [
      {
        ...{ name: "to", plugin: "KafkaOutput", match: "*", brokers },
        ...{ topic: "copy.${ident}", partition: "source", headers: false },
        ...{ requestTimeoutMs: 2_000, connectTimeoutMs: 1_000 },
        batch: { countMax: 200, lingerMs: 20 },
        retry: { times: 5, delayMs: 50, delayMsMax: 500 },
      },
    ],
  };
  return { topic, copy: `copy.${topic}`, config };
}

type Copied = { readonly name: string; readonly at: string; readonly offset: bigint };

/** All that was copied, each record as it must be, each partition in the order of its source. */
async function copied(witness: KafkaWitness, { copy }: Mirror): Promise<Copied[]> {
  const all: Copied[] = [];
  const newest = Array.from({ length: partitions }, () => -1);
  const check = ({ partition, offset, key, value, headers, timestamp }: TopicRecord) => {
    const n = numberOf(value);
    expect([n, `${headers?.n}`, timestamp]).toEqual([n, `${n}`, 1_700_000_000_000 + n]);
    expect(`${value}`.startsWith(`${n} of ${partition} `)).toBe(true);
    expect(`${key}`).toMatch(/^(null|k\d)$/);
    // What is new comes in the order of the source; what is repeated was there before.
    if (n > (newest[partition] ?? 0)) {
      expect(n).toBe((newest[partition] ?? 0) + 1);
      newest[partition] = n;
    }
    all.push({ name: `${partition}:${n}`, at: `${copy}/${partition}`, offset });
  };
  await witness.readAll(copy, check);
  return all;
}

/** Waits until what was written is copied, or says what the daemon had to say. */
async function whole(witness: KafkaWitness, mirror: Mirror, total: number, last: DaemonProcess) {
  let all: Copied[] = [];
  const complete = async () => {
    if (!last.running) throw new Error(`dbusd ended by itself:\n${await last.log()}`);
    if ((await witness.readable(mirror.copy)) < total) return false;
    all = await copied(witness, mirror);
    return new Set(all.map(({ name }) => name)).size === total;
  };
  await waitFor(complete, { what: `${total} records to be copied`, timeoutMs: 60_000 });
  return all;
}

services.test(
  `a mirror that is killed ${kills} times loses nothing, keeps the order and repeats no more than its bound (fault 72)`,
  async ({ kafka }) => {
    const random = seededRandom(testSeed("killed mirror"));
    const dir = await runDir("mirror-crash");
    const witness = await kafkaWitness(kafka.bootstrap);
    const mirror = mirrorOf(dir, kafka.bootstrap, undefined);
    const { topic, copy, config } = mirror;
    const daemons = daemonsOf({ dir, config });
    const { start } = daemons;
    try {
      await makeTopics(witness, [topic, copy], partitions);
      const writer = await startKafkaWriter({ ...kafka, topic, partitions, batch: 50 });
      const checkpointMs = checkpointIntervalMs + commitMsMax;
      const crash = crashRounds({ witness, topics: [copy], random, start, checkpointMs });
      const killed: Killed[] = [];
      for (let round = 1; round <= kills; round++) killed.push(await crash.killOnce());
      const last = await start();
      const written = await writer.stop();
      const total = written.reduce((sum, count) => sum + count, 0);
      await whole(witness, mirror, total, last);
      expect(await last.stop()).toBe(0);
      const stopped = await endsOf(witness, [copy]);
      const again = await start();
      await again.ready();
      expect(await again.stop()).toBe(0);
      const all = await copied(witness, mirror);
      const repeats = repeatsByRun(all, [...killed.map((kill) => kill.ends), stopped]);
      // Each partition of the topic has a window of its own, and all together have one.
      const most = [0, ...repeatsMax(killed, repeats, windowPackets), 0];
      process.stderr.write(`[mirror] ${total} records, repeats ${repeats}, at most ${most}\n`);
      expect(repeats.map((count, run) => count <= (most[run] ?? 0))).not.toContain(false);
    } finally {
      daemons.kill();
      await witness.close();
    }
  },
  60_000 + kills * 20_000,
);

for (const grouped of [false, true]) {
  services.test(
    `${faults} faults at random, ${grouped ? "in a group" : "alone"}: a mirror has every record, in order, as it was`,
    async ({ kafka, proxy }) => {
      const random = seededRandom(testSeed("faults of a mirror"));
      const dir = await runDir("mirror-faults");
      const witness = await kafkaWitness(kafka.bootstrap);
      const groupId = grouped ? newTopicName("group") : undefined;
      const mirror = mirrorOf(dir, `127.0.0.1:${proxy.port}`, groupId);
      const { topic, copy, config } = mirror;
      await makeTopics(witness, [topic, copy], partitions);
      const writer = await startKafkaWriter({ ...kafka, topic, partitions, batch: 20 });
      const daemons = daemonsOf({ dir, config });
      const kinds = mirrorFaults;
      const around = { kinds, count: faults, daemons, proxy, random, copy, witness };
      try {
        await throughFaults(around, async (told) => {
          const written = await writer.stop();
          const total = written.reduce((sum, count) => sum + count, 0);
          const all = await whole(witness, mirror, total, daemons.last);
          process.stderr.write(
            `[mirror] ${told.join(", ")}: ${total} records, ${all.length} copied\n`,
          );
          expect(await daemons.last.stop()).toBe(0);
        });
      } finally {
        await witness.close();
      }
    },
    120_000 + faults * 15_000,
  );
}
