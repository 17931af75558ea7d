import type { BrokerConnection } from "../broker-connection.ts";
import { type WireReader, wireReader } from "./wire-reader.ts";
import { wireWriter } from "./wire-writer.ts";

/*
 * InitProducerId Request (Version: 0 to 1) => transactional_id transaction_timeout_ms
 * InitProducerId Request (Version: 3 to 4) => transactional_id transaction_timeout_ms producer_id
 *   producer_epoch
 * InitProducerId Response (Version: 0 to 4) => throttle_time_ms error_code producer_id producer_epoch
 * Since version 2 lengths are written compactly, and tags stand in the header and behind all of it.
 * Whoever names the id and epoch that it has is refused where they are not the newest (KIP-360).
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
    decode: (data) => answerOf(wireReader(data)),
  });
}

export type TransactionalIdRequest = {
  readonly transactionalId: string;
  readonly timeoutMs: number;
  /** What the producer has: refused unless it is the newest. -1 and -1 take the id over. */
  readonly producerId: bigint;
  readonly epoch: number;
};

/** Asks for the next epoch of a transactional id; what was open under it is aborted. */
export async function requestTransactionalId(
  connection: BrokerConnection,
  { transactionalId, timeoutMs, producerId, epoch }: TransactionalIdRequest,
): Promise<ProducerId> {
  const writer = wireWriter().int8(0).compactString(transactionalId).int32(timeoutMs);
  return connection.send({
    apiKey: initProducerIdKey,
    apiVersion: connection.version(initProducerIdKey, 3, 4),
    apiName: "InitProducerId",
    body: writer.int64(producerId).int16(epoch).int8(0).done(),
    decode(data) {
      const reader = wireReader(data);
      reader.tags();
      return answerOf(reader);
    },
  });
}

function answerOf(reader: WireReader): ProducerId {
  reader.int32();
  const errorCode = reader.int16();
  return { errorCode, producerId: reader.bigInt64(), producerEpoch: reader.int16() };
}
