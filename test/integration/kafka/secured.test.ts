import { expect } from "bun:test";
import {
  createKafkaConsumer,
  createKafkaProducer,
  type KafkaDriver,
  kafkaDrivers,
} from "#src/clients/kafka/drivers.ts";
import type { KafkaProducerOptions, KafkaSasl } from "#src/clients/kafka/port.ts";
import type { DbusError } from "#src/errors.ts";
import type { Log, LogFields } from "#src/log.ts";
import { consumerOptions, take } from "../../contract/kafka-consumer.ts";
import { patient, producerOptions, recordOf } from "../../contract/kafka-producer.ts";
import { useStarted } from "../../services/index.ts";
import { waitFor } from "../../support/index.ts";
import { type SecuredKafka, startSecuredKafka } from "../../support/kafka-secured.ts";
import { startText } from "../../support/sample-daemon.ts";

const services = await useStarted("kafka with logins and TLS", () => startSecuredKafka());
const topic = "allowed-1";

type More = Partial<Pick<KafkaProducerOptions, "tls" | "sasl" | "log">>;

/** Writes one record; resolves to the code of what stood in the way, or "written". */
async function attempt(
  broker: string,
  more: More,
  driver: KafkaDriver = "kafkajs",
): Promise<{ code: string; message: string }> {
  const options = { ...producerOptions(broker), connectTimeoutMs: 3_000, ...more };
  const producer = patient(createKafkaProducer(driver, options));
  try {
    await producer.connect();
    await producer.createTopic({ topic, partitions: 1, replicationFactor: 1 });
    const [result] = await producer.produce([
      { topic, partition: 0, records: [recordOf("k", "v")] },
    ]);
    return result?.[0] ?? { code: "written", message: "" };
  } catch (error) {
    return error as DbusError;
  } finally {
    await producer.close();
  }
}

const alice = (
  { password }: SecuredKafka,
  mechanism: KafkaSasl["mechanism"] = "plain",
): KafkaSasl => ({ mechanism, username: "alice", password });

for (const driver of Object.keys(kafkaDrivers) as KafkaDriver[]) {
  for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"] as const) {
    services.test(
      `${driver}: ${mechanism} logs in with the right password, and only with that`,
      async (kafka) => {
        const sasl = alice(kafka, mechanism);
        expect((await attempt(kafka.sasl, { sasl }, driver)).code).toBe("written");
        const wrong = await attempt(
          kafka.sasl,
          { sasl: { ...sasl, password: "guess-51c9" } },
          driver,
        );
        expect(wrong.code).toBe("KAFKA_AUTH");
        expect(wrong.message).toContain("alice");
      },
    );
  }

  services.test(
    `${driver}: over TLS too, and the certificate is verified by default (S5)`,
    async (kafka) => {
      const { ca } = kafka;
      const sasl = alice(kafka, "scram-sha-512");
      expect((await attempt(kafka.saslTls, { sasl, tls: { ca, verify: true } }, driver)).code).toBe(
        "written",
      );
      expect((await attempt(kafka.tls, { tls: { ca, verify: true } }, driver)).code).toBe(
        "written",
      );
      const unknown = await attempt(kafka.tls, { tls: { verify: true } }, driver);
      expect(unknown.code).toBe("KAFKA_TLS");
      expect(unknown.message).toContain("self signed");
      const elsewhere = kafka.tls.replace("127.0.0.1", "localhost");
      expect((await attempt(elsewhere, { tls: { ca, verify: true } }, driver)).code).toBe(
        "KAFKA_TLS",
      );
      expect((await attempt(kafka.tls, { tls: { verify: false } }, driver)).code).toBe("written");
    },
  );

  services.test(
    `${driver}: the wrong kind of listener is said to be one, it is never waited for`,
    async (kafka) => {
      const sasl = alice(kafka);
      const tls = { ca: kafka.ca, verify: true };
      expect(await attempt(kafka.tls, {}, driver)).toMatchObject({
        code: "KAFKA_UNREACHABLE",
        message: expect.stringContaining("TLS"),
        remedy: expect.stringContaining("that listener wants tls"),
      });
      expect(await attempt(kafka.saslTls, { sasl }, driver)).toMatchObject({
        code: "KAFKA_UNREACHABLE",
        remedy: expect.stringContaining("that listener wants tls"),
      });
      expect(await attempt(kafka.bootstrap, { tls }, driver)).toMatchObject({
        code: "KAFKA_TLS",
        remedy: expect.stringContaining("leave tls out"),
      });
      expect(await attempt(kafka.bootstrap, { sasl }, driver)).toMatchObject({
        code: "KAFKA_AUTH",
        message: expect.stringContaining("no logins"),
      });
      expect(await attempt(kafka.sasl, {}, driver)).toMatchObject({
        code: "KAFKA_REQUEST_FAILED",
        message: expect.stringContaining("SASL"),
        remedy: expect.stringContaining("set sasl"),
      });
    },
  );
}

services.test(
  "a topic that the user may not touch is KAFKA_TOPIC_DENIED (fault 33)",
  async (kafka) => {
    const options = { ...producerOptions(kafka.sasl), sasl: alice(kafka) };
    const producer = createKafkaProducer("kafkajs", options);
    await producer.connect();
    const create = { topic: "forbidden", partitions: 1, replicationFactor: 1 };
    const codeOf = (promise: Promise<unknown>) =>
      promise.then(
        () => "none",
        (error: DbusError) => error.code,
      );
    expect(await codeOf(producer.createTopic(create))).toBe("KAFKA_TOPIC_DENIED");
    expect(await codeOf(producer.partitionCount("forbidden"))).toBe("KAFKA_TOPIC_DENIED");
    const records = [recordOf("k", "v")];
    const [result] = await producer.produce([{ topic: "forbidden", partition: 0, records }]);
    expect(result?.[0]?.code).toBe("KAFKA_TOPIC_DENIED");
    await producer.close();
  },
);

services.test("a reader is told what it may not, and reads what it may", async (kafka) => {
  const options = { ...consumerOptions(kafka.sasl), sasl: alice(kafka) };
  await attempt(kafka.sasl, { sasl: alice(kafka) });
  const consumer = createKafkaConsumer("kafkajs", options);
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => "none",
      (error: DbusError) => error.code,
    );
  const topics = await consumer.topics([topic, "forbidden"]);
  expect((topics.get("forbidden") as DbusError).code).toBe("KAFKA_TOPIC_DENIED");
  expect([...(await consumer.allTopics()).keys()]).toEqual([topic]);
  expect(await codeOf(consumer.committed("forbidden"))).toBe("KAFKA_GROUP_DENIED");
  expect(await codeOf(consumer.committed("allowed"))).toBe("none");
  const member = consumer.member({
    ...{ group: "forbidden", sessionTimeoutMs: 6_000, rebalanceTimeoutMs: 6_000, heartbeatMs: 500 },
  });
  member.subscribe(new Map([[topic, 1]]));
  const nothing = { assigned() {}, revoked: async () => {}, lost() {} };
  expect(await codeOf(member.run(nothing, new AbortController().signal))).toBe(
    "KAFKA_GROUP_DENIED",
  );
  consumer.read([{ topic, partition: 0, offset: 0 }]);
  expect((await take(consumer, 1)).length).toBeGreaterThan(0);
  await consumer.close();
  const stranger = createKafkaConsumer("kafkajs", {
    ...options,
    sasl: { ...alice(kafka), password: "guess-77aa" },
  });
  expect(await codeOf(stranger.connect())).toBe("KAFKA_AUTH");
  await stranger.close();
});

services.test("no password is in any message or log line (S4)", async (kafka) => {
  const lines: string[] = [];
  const keep = (text: string, fields?: LogFields) => {
    lines.push(`${text} ${JSON.stringify(fields)}`);
  };
  const log: Log = { debug: keep, info: keep, warn: keep, error: keep, with: () => log };
  const guess = "guess-8812aa";
  const seen = [
    await attempt(kafka.sasl, { log, sasl: alice(kafka) }),
    await attempt(kafka.sasl, { log, sasl: { ...alice(kafka), password: guess } }),
    await attempt(kafka.sasl, { log, sasl: { ...alice(kafka, "scram-sha-256"), password: guess } }),
    await attempt(kafka.bootstrap, { log, sasl: alice(kafka) }),
  ];
  const said = JSON.stringify(seen) + seen.map((error) => Bun.inspect(error)).join() + lines.join();
  expect(said).toContain("alice");
  expect(said).not.toContain(guess);
  expect(said).not.toContain(kafka.password);
});

services.test(
  "a dbusd with a wrong password tries it seldom, says whose it was, and shows it nowhere (fault 33)",
  async (kafka) => {
    const guess = "guess-90cc17";
    const at = { brokers: [kafka.sasl], sasl: { ...alice(kafka), password: guess } };
    const sample = await startText(
      JSON.stringify({
        inputs: [
          { name: "in", plugin: "KafkaInput", topics: [topic], ...at },
          { name: "rows", plugin: "MockInput", payload: "rows", count: 1 },
        ],
        outputs: [
          { name: "out", plugin: "KafkaOutput", match: "rows", topic, ...at },
          { name: "lines", plugin: "StreamOutput", match: topic },
        ],
      }),
    );
    try {
      const refused = () => [sample.input("in"), sample.output("out")];
      await waitFor(() => refused().every(({ state }) => state === "blocked"), {
        what: "both to wait",
      });
      for (const { lastError } of refused()) {
        expect(lastError?.code).toBe("KAFKA_AUTH");
        expect(lastError?.message).toContain("refused the plain login of user alice");
      }
      const { entries } = sample.log;
      const waits = entries.flatMap(
        ({ message }) => / failed; again in (\d+) ms/.exec(message)?.[1] ?? [],
      );
      expect(waits).toHaveLength(2);
      // Many wrong logins in a row lock an account.
      for (const ms of waits) expect(Number(ms)).toBeGreaterThan(15_000);
      const metrics = await (await fetch(`${sample.daemon.adminUrl}/metrics`)).text();
      const all = [entries, sample.daemon.admin.stat(), sample.daemon.admin.config(), metrics];
      expect(Bun.inspect(all, { depth: 12 }) + JSON.stringify(all)).not.toContain(guess);
    } finally {
      expect(await sample.end()).toBe(0);
    }
  },
);
