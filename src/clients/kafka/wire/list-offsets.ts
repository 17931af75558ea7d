import type { BrokerConnection } from "../broker-connection.ts";
import type { TopicPartition } from "../port.ts";
import { wireReader } from "./wire-reader.ts";
import { wireWriter } from "./wire-writer.ts";

/*
 * ListOffsets Request (Version: 2 to 3) => replica_id isolation_level [topics]
 *   topics => name [partitions]
 *     partitions => partition_index timestamp
 * ListOffsets Response (Version: 2 to 3) => throttle_time_ms [topics]
 *   topics => name [partitions]
 *     partitions => partition_index error_code timestamp offset
 * A timestamp of -2 asks for the first offset, -1 for the next one to be written (of what is
 * committed, where the isolation level is 1).
 */
const listOffsetsKey = 2;
export const earliestTime = -2;
export const latestTime = -1;

export type OffsetAnswer = TopicPartition & {
  readonly errorCode: number;
  /** -1 where nothing is that new. */
  readonly offset: number;
};

export async function listOffsets(
  connection: BrokerConnection,
  asked: readonly TopicPartition[],
  timestamp: number,
  isolation: 0 | 1,
): Promise<readonly OffsetAnswer[]> {
  const writer = wireWriter().int32(-1).int8(isolation);
  writer.byTopic(asked, ({ partition }) => writer.int32(partition).int64(timestamp));
  return connection.send({
    apiKey: listOffsetsKey,
    apiVersion: connection.version(listOffsetsKey, 2, 3),
    apiName: "ListOffsets",
    body: writer.done(),
    decode(data) {
      const reader = wireReader(data);
      reader.int32();
      return reader.byTopic((topic) => {
        const [partition, errorCode] = [reader.int32(), reader.int16()];
        reader.skip(8);
        return { topic, partition, errorCode, offset: reader.int64() };
      });
    },
  });
}
