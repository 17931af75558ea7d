import type { OutputContext } from "#plugin";
import { connectionOptions } from "#src/clients/kafka/connection-config.ts";
import type { KafkaProducerOptions } from "#src/clients/kafka/port.ts";
import type { KafkaOutputConfig } from "./kafka-config.ts";

/** What a producer is told, out of a checked config. */
export function producerOptions(
  config: KafkaOutputConfig,
  context: Pick<OutputContext, "clock" | "log" | "reportThrottle">,
): KafkaProducerOptions {
  const { clock, log, reportThrottle } = context;
  return {
    ...connectionOptions(config, { clock, log }),
    acks: config.qos === "LossTolerant" ? "leader" : "all",
    compression: config.compression,
    batchBytesMax: config.batchBytesMax,
    recordBytesMax: config.recordBytesMax,
    onThrottle: reportThrottle,
  };
}
