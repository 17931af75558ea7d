import { afterAll, describe, expect, test } from "bun:test";
import { createFrameCheck } from "#src/clients/kafka/answer-frames.ts";
import { createKafkaProducer, type KafkaDriver, kafkaDrivers } from "#src/clients/kafka/drivers.ts";
import { systemClock } from "#src/clock.ts";
import { silentLog } from "#src/log.ts";
import {
  type Answers,
  apiKeys,
  framed,
  goodAnswers,
  startBroker,
  topic,
} from "../../fuzz/targets/kafka-script.ts";

const broker = await startBroker();
afterAll(() => broker.close());

/** Writes one record, and says what became of it. */
async function write(driver: KafkaDriver, answers: Answers): Promise<string> {
  broker.answer({ ...goodAnswers, ...answers }, -1);
  const producer = createKafkaProducer(driver, {
    brokers: [`127.0.0.1:${broker.port}`],
    ...{ clientId: "t", acks: "all", compression: "none", clock: systemClock, log: silentLog },
    ...{ connectTimeoutMs: 20_000, requestTimeoutMs: 20_000 },
    ...{ batchBytesMax: 1 << 20, recordBytesMax: 1 << 20 },
  });
  try {
    await producer.connect();
    const record = { key: "k", value: "v", headers: [], timestamp: 0 };
    const [results] = await producer.produce([{ topic, partition: 0, records: [record] }]);
    return results?.[0]?.code ?? "written";
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    await producer.close();
  }
}

const body = (hex: string) => framed(Buffer.from(hex, "hex"));
const size = (bytes: number) => framed(Buffer.alloc(8), bytes);

const drivers = Object.keys(kafkaDrivers) as KafkaDriver[];

describe.each(drivers)("by %s a hostile or broken broker", (driver) => {
  test("one that is neither is written to", async () => {
    expect(await write(driver, {})).toBe("written");
  });

  test.each([
    ["a negative size", { [apiKeys.metadata]: size(-5) }],
    ["a size without room for the id of its request", { [apiKeys.metadata]: size(2) }],
    ["two GB", { [apiKeys.metadata]: size(2 ** 31 - 1) }],
    [
      "two thousand million brokers",
      { [apiKeys.metadata]: body("00000000 7fffffff".replace(" ", "")) },
    ],
    ["an id for its producer that is cut", { [apiKeys.initProducerId]: body("0000") }],
    [
      "a topic whose name goes backwards",
      { [apiKeys.produce]: body(`7ffffffffffa${"00".repeat(40)}`) },
    ],
  ])(
    "S18: that announces %s is an error at once, and nothing of that size is made",
    async (_, answers) => {
      const before = process.memoryUsage.rss();
      const started = performance.now();
      expect(await write(driver, answers)).toMatch(/^KAFKA_(REQUEST_FAILED|UNREACHABLE)$/);
      // Long before its timeouts, which are 20 s.
      expect(performance.now() - started).toBeLessThan(10_000);
      expect(process.memoryUsage.rss() - before).toBeLessThan(100 * 2 ** 20);
    },
  );

  test("that confirms another topic has confirmed nothing", async () => {
    const other = Buffer.from(goodAnswers[apiKeys.produce]!);
    other[14] = "u".charCodeAt(0);
    expect(await write(driver, { [apiKeys.produce]: other })).toBe("KAFKA_REQUEST_FAILED");
  });

  test("that is too old for what is written is KAFKA_UNSUPPORTED", async () => {
    const versions = Buffer.from(goodAnswers[apiKeys.apiVersions]!);
    // The first entry is Produce: key, oldest, newest.
    versions.writeInt16BE(0, 16);
    versions.writeInt16BE(2, 18);
    expect(await write(driver, { [apiKeys.apiVersions]: versions })).toBe("KAFKA_UNSUPPORTED");
  });
});

describe("a stream of answers", () => {
  test("S18: frames are followed however they are cut", () => {
    const frames = Buffer.concat([framed(Buffer.alloc(3)), framed(Buffer.alloc(0)), size(-1)]);
    for (const step of [1, 3, 7, frames.length]) {
      const check = createFrameCheck();
      let taken = 0;
      const feed = () => {
        for (; taken < frames.length; taken += step) check(frames.subarray(taken, taken + step));
      };
      expect(feed).toThrow("an answer of -1 bytes");
      expect(taken + step).toBeGreaterThanOrEqual(frames.length - 12);
    }
  });
});
