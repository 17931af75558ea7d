import { CompressionTypes, Kafka, logLevel, type Message, type Producer } from "kafkajs";
import type { Random } from "./random.ts";

export type OnceMessage = Message;

/** A request that a stopped broker has not answered in that time is given up. */
const requestMsMax = 3_000;

/** A client that sends whatever it is given once, whether or not it hears what became of it. */
export function onceClient(bootstrap: string): Kafka {
  return new Kafka({
    brokers: bootstrap.split(","),
    clientId: "chaos",
    logLevel: logLevel.NOTHING,
    ...{ requestTimeout: requestMsMax, connectionTimeout: 1_000 },
    // Whoever tries again writes a record twice that was written after all: each is sent once.
    retry: { retries: 0 },
  });
}

export type Producers = { readonly plain: Producer; readonly transactional: Producer };

export function producersOf(kafka: Kafka, id: string): Producers {
  const common = { maxInFlightRequests: 1, allowAutoTopicCreation: false };
  return {
    plain: kafka.producer(common),
    transactional: kafka.producer({
      ...{ ...common, transactionalId: `chaos-${id}`, transactionTimeout: 3_000 },
      // A broker drops what it has already of these.
      ...{ idempotent: true, retry: { retries: 3 } },
    }),
  };
}

export function compressionOf(random: Random): CompressionTypes {
  const { None, GZIP, ZSTD } = CompressionTypes;
  return random.pick([None, None, GZIP, ZSTD]);
}

/** Sends messages by a producer of their own, once. */
export async function sendOnce(
  kafka: Kafka,
  topic: string,
  messages: readonly Message[],
): Promise<void> {
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  try {
    await producer.send({ topic, messages: [...messages], acks: -1 });
  } finally {
    await producer.disconnect();
  }
}
