import type { KafkaProducer } from "#src/clients/kafka/port.ts";
import type { KafkaOutputConfig } from "./kafka-config.ts";

/** Every topic is there and everything is written, but nothing leaves the process. */
export function dryProducer({
  createTopics,
}: Pick<KafkaOutputConfig, "createTopics">): KafkaProducer {
  const partitions = (createTopics === false ? undefined : createTopics.partitions) ?? 1;
  return {
    connect: async () => {},
    partitionCount: async () => partitions,
    createTopic: async () => {},
    produce: async (batches) => batches.map(() => []),
    close: async () => {},
  };
}
