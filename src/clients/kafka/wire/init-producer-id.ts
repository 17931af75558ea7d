import type { BrokerConnection } from "../broker-connection.ts";
import { wireReader } from "./wire-reader.ts";
import { wireWriter } from "./wire-writer.ts";

/*
 * InitProducerId Request (Version: 0 to 1) => transactional_id transaction_timeout_ms
 * InitProducerId Response (Version: 0 to 1) => throttle_time_ms error_code producer_id producer_epoch
 */
const initProducerIdKey = 22;

export type ProducerId = {
  readonly errorCode: number;
  readonly producerId: bigint;
  readonly producerEpoch: number;
};

/** Asks for the id of an idempotent producer without transactions. */
export async function requestProducerId(connection: BrokerConnection): Promise<ProducerId> {
  return connection.send({
    apiKey: initProducerIdKey,
    apiVersion: connection.version(initProducerIdKey, 0, 1),
    apiName: "InitProducerId",
    body: wireWriter().string(null).int32(60_000).done(),
    decode(data) {
      const reader = wireReader(data);
      reader.int32();
      const errorCode = reader.int16();
      return { errorCode, producerId: BigInt(reader.int64()), producerEpoch: reader.int16() };
    },
  });
}
