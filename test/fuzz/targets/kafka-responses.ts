import { createKafkaProducer, type KafkaDriver, kafkaDrivers } from "#src/clients/kafka/drivers.ts";
import type { PartitionResult } from "#src/clients/kafka/port.ts";
import { systemClock } from "#src/clock.ts";
import { silentLog } from "#src/log.ts";
import type { Random } from "../../support/random.ts";
import { claim, codeOf, type FuzzInput, type FuzzTarget } from "../fuzz-target.ts";
import { mutate } from "../mutate.ts";
import {
  apiKeys,
  framed,
  goodAnswers,
  type ScriptedBroker,
  startBroker,
  topic,
} from "./kafka-script.ts";

/** The answer to one request is changed; the others are as they should be. */
type Note = { readonly api: keyof typeof apiKeys; readonly driver?: KafkaDriver };

const drivers = Object.keys(kafkaDrivers) as KafkaDriver[];
const names = Object.keys(apiKeys) as (keyof typeof apiKeys)[];
const dictionary = [
  ...[
    [0xff, 0xff],
    [0xff, 0xff, 0xff, 0xff],
    [0x80, 0, 0, 0],
    [0x7f, 0xff, 0xff, 0xff],
    [0x80, 0],
  ],
  ...[
    [0xff, 0xff, 0xff, 0xfa],
    [0xff, 0xfa],
    [0, 0, 0, 0],
    [0, 3],
    [0, 45],
    [0, 46],
    [0, 0, 0, 8],
  ],
].map((bytes) => Uint8Array.from(bytes));

export const kafkaResponses: FuzzTarget = {
  name: "kafka-responses",
  summary: "answers of a hostile broker; nothing is acked that it did not confirm",
  growthMiBMax: 500,
  async open(corpus) {
    const broker = await startBroker();
    const others = [...Object.values(goodAnswers), ...corpus.map(({ bytes }) => bytes)];
    return {
      generate: (random) => generate(random, others),
      run: (input) => check(broker, input),
      close: async () => broker.close(),
    };
  },
};

function generate(random: Random, others: readonly Buffer[]): FuzzInput {
  const api = random.pick(names);
  const good = goodAnswers[apiKeys[api]]!;
  const options = { dictionary, others, changesMax: 4 };
  const driver = random.pick(drivers);
  if (random.chance(0.3)) return { note: { api, driver }, bytes: mutate(good, random, options) };
  // The frame stays right, so that what is inside of it is looked at.
  return { note: { api, driver }, bytes: framed(mutate(good.subarray(8), random, options)) };
}

async function check(broker: ScriptedBroker, { note, bytes }: FuzzInput): Promise<string> {
  const { api, driver = "kafkajs" } = note as Note;
  broker.answer({ ...goodAnswers, [apiKeys[api]]: bytes }, apiKeys[api]);
  const producer = createKafkaProducer(driver, {
    brokers: [`127.0.0.1:${broker.port}`],
    ...{ clientId: "fuzz", acks: "all", compression: "none", clock: systemClock, log: silentLog },
    ...{
      connectTimeoutMs: 600,
      requestTimeoutMs: 600,
      batchBytesMax: 1 << 20,
      recordBytesMax: 1 << 20,
    },
  });
  try {
    await producer.connect();
    const count = await producer.partitionCount(topic);
    claim(Number.isSafeInteger(count) && count > 0 && count < 1_000, `${count} partitions`);
    const record = { key: "k", value: "v", headers: [], timestamp: 0 };
    const results = await producer.produce([{ topic, partition: 0, records: [record] }]);
    return `${api} ${verdictOf(results, api, bytes)}`;
  } catch (error) {
    return `${api} ${codeOf(error)}`;
  } finally {
    await producer.close();
  }
}

/** A record is written when a broker says so, for this partition, in an answer that is whole. */
function verdictOf(results: readonly PartitionResult[], api: string, bytes: Buffer): string {
  const result = results[0]?.[0];
  claim(results.length === 1 && result !== undefined, "a record has one result");
  if (result !== null) return codeOf(result);
  if (api === "produce") claim(confirms(bytes), "it is acked, and the broker did not confirm it");
  return "written";
}

/** Reads a Produce 7 answer to its end, strictly: is partition 0 of the topic free of errors? */
function confirms(frame: Buffer): boolean {
  try {
    const size = frame.readInt32BE(0);
    if (size < 4 || frame.length < size + 4) return false;
    const body = frame.subarray(0, size + 4);
    let code: number | undefined;
    let at = 12;
    for (let topics = body.readInt32BE(8); topics > 0; topics--) {
      const length = body.readInt16BE(at);
      const name = body.toString("utf8", at + 2, at + 2 + length);
      at += 2 + length;
      let partitions = body.readInt32BE(at);
      at += 4;
      for (; partitions > 0; partitions--) {
        if (name === topic && body.readInt32BE(at) === 0) code = body.readInt16BE(at + 4);
        body.readBigInt64BE(at + 22);
        at += 30;
      }
    }
    // 46 says that the batch is there already.
    return code === 0 || code === 46;
  } catch {
    return false;
  }
}
