import { Kafka, logLevel } from "kafkajs";

/** Writes numbered records without a pause, until it is stopped, through whatever the broker does. */
export type KafkaWriter = {
  /** Resolves to how many records were written to each partition, once the last is acknowledged. */
  stop(): Promise<readonly number[]>;
};

/** What a record says: the next number of its partition, in the order of the partition. */
export const numberOf = (value: Buffer | null): number => Number.parseInt(`${value}`, 10);

export async function startKafkaWriter(options: {
  readonly bootstrap: string;
  readonly topic: string;
  readonly partitions: number;
  readonly batch: number;
}): Promise<KafkaWriter> {
  const { bootstrap, topic, partitions, batch } = options;
  const kafka = new Kafka({
    brokers: bootstrap.split(","),
    logLevel: logLevel.NOTHING,
    retry: { retries: 1_000, initialRetryTime: 100, maxRetryTime: 500 },
  });
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const written = Array.from({ length: partitions }, () => 0);
  let stopping = false;
  const writing = (async () => {
    while (!stopping) {
      for (let partition = 0; partition < partitions; partition++) {
        const from = written[partition] ?? 0;
        const messages = Array.from({ length: batch }, (_, i) => ({
          partition,
          key: i % 4 === 0 ? null : `k${i % 9}`,
          value: `${from + i} of ${partition} ${"x".repeat(100)}`,
          headers: { n: `${from + i}` },
          timestamp: `${1_700_000_000_000 + from + i}`,
        }));
        await producer.send({ topic, messages, acks: -1 });
        written[partition] = from + batch;
      }
      // The daemon and the broker want their share of the machine.
      await Bun.sleep(10);
    }
  })();
  return {
    async stop() {
      stopping = true;
      await writing;
      await producer.disconnect();
      return written;
    },
  };
}
