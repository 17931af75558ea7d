import { createKafkaConsumer, type KafkaDriver, kafkaDrivers } from "#src/clients/kafka/drivers.ts";
import type { KafkaConsumer, TopicPartition } from "#src/clients/kafka/port.ts";
import { systemClock } from "#src/clock.ts";
import { silentLog } from "#src/log.ts";
import type { Random } from "../../support/random.ts";
import { claim, codeOf, type FuzzInput, type FuzzTarget } from "../fuzz-target.ts";
import { mutate } from "../mutate.ts";
import {
  consumerKeys,
  fetchAnswer,
  firstOffset,
  goodBatch,
  goodConsumerAnswers,
  recordCount,
  signed,
} from "./kafka-consumer-script.ts";
import { framed, type ScriptedBroker, startBroker, topic } from "./kafka-script.ts";

type Api = keyof typeof consumerKeys;

/** The answer to one request is changed; the others are as they should be. */
type Note = { readonly api: Api; readonly driver: KafkaDriver };

const drivers = Object.keys(kafkaDrivers) as KafkaDriver[];
const names = Object.keys(consumerKeys) as Api[];
const dictionary = [
  ...[
    [0xff, 0xff],
    [0xff, 0xff, 0xff, 0xff],
    [0x80, 0, 0, 0],
    [0x7f, 0xff, 0xff, 0xff],
    // 2^53 + 1, which no number holds, and the largest of all.
    [0, 0x20, 0, 0, 0, 0, 0, 1],
    [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  ],
  ...[
    [0, 1],
    [0, 3],
    [0, 6],
    [0, 16],
    [0, 22],
    [0, 25],
    [0, 27],
    [0, 79],
    [0, 0, 0, 0],
  ],
].map((bytes) => Uint8Array.from(bytes));

export const kafkaConsumer: FuzzTarget = {
  name: "kafka-consumer",
  summary: "answers of a hostile broker to a reader; no record comes twice or out of its order",
  growthMiBMax: 500,
  async open(corpus) {
    const broker = await startBroker();
    const others = [...Object.values(goodConsumerAnswers), ...corpus.map(({ bytes }) => bytes)];
    return {
      generate: (random) => generate(random, others),
      run: (input) => check(broker, input),
      close: async () => broker.close(),
    };
  },
};

function generate(random: Random, others: readonly Buffer[]): FuzzInput {
  const api = random.chance(0.4) ? "fetch" : random.pick(names);
  const note: Note = { api, driver: random.pick(drivers) };
  const options = { dictionary, others, changesMax: 4 };
  const good = goodConsumerAnswers[consumerKeys[api]]!;
  if (api === "fetch" && random.chance(0.7)) {
    const batch = mutate(goodBatch, random, options);
    // Nearly all of them would be refused by their checksum.
    return { note, bytes: fetchAnswer(random.chance(0.8) ? signed(batch) : batch) };
  }
  if (random.chance(0.2)) return { note, bytes: mutate(good, random, options) };
  return { note, bytes: framed(mutate(good.subarray(8), random, options)) };
}

const part = { topic, partition: 0 };
/** Longer than the broker takes for what it answers at all. */
const patienceMs = 100;

async function check(broker: ScriptedBroker, { note, bytes }: FuzzInput): Promise<string> {
  const { api, driver } = note as Note;
  broker.answer({ ...goodConsumerAnswers, [consumerKeys[api]]: bytes }, consumerKeys[api]);
  const consumer = createKafkaConsumer(driver, {
    brokers: [`127.0.0.1:${broker.port}`],
    ...{ clientId: "fuzz", clock: systemClock, log: silentLog, uncommitted: false },
    ...{ connectTimeoutMs: 300, requestTimeoutMs: 300, fetchWaitMs: 10, pollRecordsMax: 2 },
    ...{ fetchBytesMax: 1 << 20, partitionBytesMax: 1 << 20, batchBytesMax: 1 << 20 },
    onTrouble() {},
  });
  try {
    await consumer.connect();
    return `${api} ${await uses[api](consumer)}`;
  } catch (error) {
    return `${api} ${codeOf(error)}`;
  } finally {
    await consumer.close();
  }
}

/** Reads from the first offset until something is said, or nothing is for a while. */
async function read(consumer: KafkaConsumer): Promise<string> {
  consumer.read([{ ...part, offset: firstOffset }]);
  let at = firstOffset;
  const until = performance.now() + patienceMs;
  while (performance.now() < until) {
    const polled = await consumer.poll(patienceMs, new AbortController().signal);
    if (!polled) continue;
    if (polled.error) {
      claim(polled.at >= firstOffset, `it goes back to ${polled.at}`);
      const { behind } = polled;
      claim(behind === undefined || behind > polled.at, `${behind} is not behind ${polled.at}`);
      return codeOf(polled.error);
    }
    for (const { offset, timestamp } of polled.records) {
      claim(Number.isSafeInteger(offset) && offset >= at, `offset ${offset} comes at ${at}`);
      claim(typeof timestamp === "number", "a record has a time");
      at = offset + 1;
    }
    claim(polled.next >= at, `it goes on at ${polled.next}, and ${at} is read`);
    at = polled.next;
    if (at >= firstOffset + recordCount) return "read";
  }
  return "nothing";
}

async function offsets(consumer: KafkaConsumer): Promise<string> {
  for (const at of ["earliest", "latest", 17] as const) {
    const [found, ...more] = await consumer.offsets([part], at);
    claim(found?.partition === 0 && more.length === 0, "one answer for one question");
    claim(Number.isSafeInteger(found.offset) && found.offset >= 0, `offset ${found.offset}`);
  }
  return "told";
}

async function committed(consumer: KafkaConsumer): Promise<string> {
  for (const { offset, partition } of await consumer.committed("g")) {
    claim(Number.isSafeInteger(offset) && offset >= 0, `offset ${offset} is committed`);
    claim(Number.isSafeInteger(partition), `partition ${partition} is committed`);
  }
  return "told";
}

async function commit(consumer: KafkaConsumer): Promise<string> {
  await consumer.commit("g", [{ ...part, offset: 6 }]);
  return "committed";
}

/** Is a member for a moment, and leaves. */
async function join(consumer: KafkaConsumer): Promise<string> {
  const timing = { sessionTimeoutMs: 1_000, rebalanceTimeoutMs: 1_000, heartbeatMs: 20 };
  const member = consumer.member({ group: "g", ...timing });
  const over = new AbortController();
  const owned = new Set<string>();
  const name = (one: TopicPartition) => `${one.topic}/${one.partition}`;
  const gone = (partitions: readonly TopicPartition[]) => {
    for (const one of partitions) claim(owned.delete(name(one)), `${name(one)} was not ours`);
  };
  const timer = setTimeout(() => over.abort(), patienceMs);
  member.subscribe(new Map([[topic, 1]]));
  try {
    await member.run(
      {
        assigned(partitions) {
          for (const one of partitions) owned.add(name(one));
        },
        revoked: async (partitions) => gone(partitions),
        lost: gone,
      },
      over.signal,
    );
  } finally {
    clearTimeout(timer);
  }
  return "joined";
}

const uses: Readonly<Record<Api, (consumer: KafkaConsumer) => Promise<string>>> = {
  apiVersions: read,
  metadata: read,
  fetch: read,
  listOffsets: offsets,
  offsetFetch: committed,
  offsetCommit: commit,
  findCoordinator: committed,
  joinGroup: join,
  syncGroup: join,
  heartbeat: join,
  leaveGroup: join,
};
