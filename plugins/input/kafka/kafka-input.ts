import { defineInput, isLoopback } from "#plugin";
import { checkInput } from "./check.ts";
import {
  compareKafkaPositions,
  joins,
  type KafkaInputConfig,
  kafkaInputSchema,
  kafkaPositionSchema,
} from "./kafka-input-config.ts";
import { openReader, type Reader } from "./reader.ts";
import { resourcesOf } from "./resources.ts";
import { run } from "./run.ts";

/**
 * Records of Kafka topics. One packet a record, its ident the topic, its partition of the bus the
 * partition of the topic: each has a checkpoint of its own, and its order is kept.
 */
export const kafkaInput = defineInput<KafkaInputConfig, Reader>({
  name: "KafkaInput",
  summary: "Reads records of Kafka topics, alone or as a member of a consumer group.",
  configSchema: kafkaInputSchema,
  positionSchema: kafkaPositionSchema,
  shared: joins,
  // Of a group others may read the same partition meanwhile.
  order: (config) => (joins(config) ? undefined : compareKafkaPositions),
  idents: ({ topics, partitions }) => topics ?? (partitions ? Object.keys(partitions) : ["*"]),
  resources: resourcesOf,
  insecure: insecureParts,
  // Of each broker an answer that is handed over and the next one, and a batch out of its packing.
  memory: ({ fetchBytesMax, partitionBytesMax, brokers }) => ({
    buffers: brokers.length * (2 * fetchBytesMax + 4 * partitionBytesMax),
  }),
  check: checkInput,
  open: openReader,
  run,
  close: ({ consumer }) => consumer.close(),
});

/** What whoever is in between could do: warned of at each start, and shown in the status. */
function insecureParts({ tls, sasl, brokers }: KafkaInputConfig): readonly string[] {
  if (typeof tls === "object" && tls.insecure) {
    return ["any certificate is trusted, so anyone in between can read and write (tls.insecure)"];
  }
  const far = brokers.some((broker) => !isLoopback(broker.replace(/:\d+$/, "")));
  return tls === false && sasl?.mechanism === "plain" && far
    ? ["the password goes over the network in the clear (sasl plain without tls)"]
    : [];
}
