import { createKafkajsProducer } from "./kafkajs/producer.ts";
import type { KafkaProducer, KafkaProducerOptions } from "./port.ts";

const drivers = {
  kafkajs: createKafkajsProducer,
} as const satisfies Record<string, (options: KafkaProducerOptions) => KafkaProducer>;

export type KafkaDriver = keyof typeof drivers;

export function createKafkaProducer(
  driver: KafkaDriver,
  options: KafkaProducerOptions,
): KafkaProducer {
  return drivers[driver](options);
}
