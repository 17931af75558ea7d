import type { OpenConnection } from "./broker-connection.ts";
import { createConsumer } from "./consumer/consumer.ts";
import type {
  KafkaConsumer,
  KafkaConsumerOptions,
  KafkaProducer,
  KafkaProducerOptions,
  KafkaTransactor,
  KafkaTransactorOptions,
} from "./port.ts";
import { createProducer } from "./producer/producer.ts";
import { createTransactor } from "./producer/transactor.ts";

/** They are large, and a bus needs one of them or none: so they are loaded by whoever asks. */
const openKafkajs: OpenConnection = async (address, options) => {
  const driver = await import("./kafkajs/connection.ts");
  return driver.openKafkajsConnection(address, options);
};

const openPlatformatic: OpenConnection = async (address, options) => {
  const driver = await import("./platformatic/connection.ts");
  return driver.openPlatformaticConnection(address, options);
};

/** The libraries that make, secure and frame connections, by the name that configs give them. */
export const kafkaDrivers = {
  kafkajs: openKafkajs,
  platformatic: openPlatformatic,
} as const satisfies Record<string, OpenConnection>;

export type KafkaDriver = keyof typeof kafkaDrivers;

export function createKafkaProducer(
  driver: KafkaDriver,
  options: KafkaProducerOptions,
): KafkaProducer {
  return createProducer(kafkaDrivers[driver], options);
}

export function createKafkaTransactor(
  driver: KafkaDriver,
  options: KafkaTransactorOptions,
): KafkaTransactor {
  return createTransactor(kafkaDrivers[driver], options);
}

export function createKafkaConsumer(
  driver: KafkaDriver,
  options: KafkaConsumerOptions,
): KafkaConsumer {
  return createConsumer(kafkaDrivers[driver], options);
}
