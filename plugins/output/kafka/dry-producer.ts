import type { KafkaProducer } from "#src/clients/kafka/port.ts";
import { requestWriter } from "#src/clients/kafka/producer/record-batch.ts";
import type { KafkaOutputConfig } from "./kafka-config.ts";

const stamp = { producerId: -1n, epoch: -1, sequence: -1 };

/** Every topic is there and everything is encoded and counts as written, but nothing is sent. */
export function dryProducer(
  config: Pick<KafkaOutputConfig, "createTopics" | "compression" | "recordBytesMax">,
): KafkaProducer {
  const { createTopics, compression, recordBytesMax } = config;
  const partitions = (createTopics === false ? undefined : createTopics.partitions) ?? 1;
  const writer = requestWriter(compression, recordBytesMax);
  return {
    connect: async () => {},
    clusterId: async () => "",
    partitionCount: async () => partitions,
    createTopic: async () => {},
    growTopic: async () => {},
    produce: async (batches) =>
      batches.map(({ records }) => {
        writer.reset();
        const { refused } = writer.batch(records, 0, stamp, Number.POSITIVE_INFINITY);
        const errors = new Map(refused.map(({ index, error }) => [index, error]));
        return records.map((_, index) => errors.get(index) ?? null);
      }),
    close: async () => {},
  };
}
