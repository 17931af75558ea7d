import type { InputContext } from "#plugin";
import { connectionOptions } from "#src/clients/kafka/connection-config.ts";
import { createKafkaConsumer } from "#src/clients/kafka/drivers.ts";
import type { KafkaConsumer } from "#src/clients/kafka/port.ts";
import { createDiscovery, type Discovery } from "./discover.ts";
import { type KafkaInputConfig, patternOf } from "./kafka-input-config.ts";
import { topicsOf } from "./resources.ts";

/** An input that is open. */
export type Reader = {
  readonly config: KafkaInputConfig;
  readonly consumer: KafkaConsumer;
  readonly discovery: Discovery;
};

/** Records of one call; more of them would only let the first wait for the last. */
export const recordsMax = 1_000;

export async function openReader(context: InputContext, config: KafkaInputConfig): Promise<Reader> {
  const { fetchBytesMax, partitionBytesMax, fetchWaitMs, batchBytesMax, isolation } = config;
  const consumer = createKafkaConsumer(config.driver, {
    ...connectionOptions(config, context),
    ...{ fetchBytesMax, partitionBytesMax, fetchWaitMs, batchBytesMax },
    pollRecordsMax: recordsMax,
    uncommitted: isolation === "uncommitted",
    onTrouble: (trouble) =>
      context.reportState(trouble === null ? null : `reconnecting: ${trouble.message}`),
    onThrottle: context.reportThrottle,
  });
  const names = topicsOf(config, context.resource);
  const text = config.topicPattern ?? "";
  const wanted = names === undefined ? { pattern: patternOf(text), text } : { names };
  try {
    await consumer.connect();
  } catch (error) {
    await consumer.close();
    throw error;
  }
  return { config, consumer, discovery: createDiscovery(consumer, wanted, context) };
}
