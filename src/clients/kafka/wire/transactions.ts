import type { BrokerConnection } from "../broker-connection.ts";
import type { TopicPartition } from "../port.ts";
import { wireReader } from "./wire-reader.ts";
import { wireWriter } from "./wire-writer.ts";

/*
 * AddPartitionsToTxn Request (Version: 0 to 2) => transactional_id producer_id producer_epoch [topics]
 *   topics => name [partition]
 * AddPartitionsToTxn Response (Version: 0 to 2) => throttle_time_ms [topics]
 *   topics => name [partition error_code]
 * EndTxn Request (Version: 0 to 2) => transactional_id producer_id producer_epoch committed
 * EndTxn Response (Version: 0 to 2) => throttle_time_ms error_code
 */
const keys = { addPartitions: 24, end: 26 } as const;

/** Who a transaction is of: the coordinator refuses one of an older epoch. */
export type Transactional = {
  readonly transactionalId: string;
  readonly producerId: bigint;
  readonly epoch: number;
};

export type PartitionCode = TopicPartition & { readonly errorCode: number };

/** Says which partitions a transaction writes to, before it does. All are taken, or none. */
export async function addPartitions(
  connection: BrokerConnection,
  who: Transactional,
  partitions: readonly TopicPartition[],
): Promise<readonly PartitionCode[]> {
  const writer = writerOf(who);
  writer.byTopic(partitions, ({ partition }) => writer.int32(partition));
  return connection.send({
    apiKey: keys.addPartitions,
    apiVersion: connection.version(keys.addPartitions, 0, 2),
    apiName: "AddPartitionsToTxn",
    body: writer.done(),
    decode(data) {
      const reader = wireReader(data);
      reader.int32();
      return reader.byTopic((topic) => {
        return { topic, partition: reader.int32(), errorCode: reader.int16() };
      });
    },
  });
}

/** Commits or aborts; resolves to an error code. */
export async function endTransaction(
  connection: BrokerConnection,
  who: Transactional,
  committed: boolean,
): Promise<number> {
  return connection.send({
    apiKey: keys.end,
    apiVersion: connection.version(keys.end, 0, 2),
    apiName: "EndTxn",
    body: writerOf(who)
      .int8(committed ? 1 : 0)
      .done(),
    decode(data) {
      const reader = wireReader(data);
      reader.int32();
      return reader.int16();
    },
  });
}

function writerOf({ transactionalId, producerId, epoch }: Transactional) {
  return wireWriter().string(transactionalId).int64(producerId).int16(epoch);
}
