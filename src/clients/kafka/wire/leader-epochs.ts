import type { BrokerConnection } from "../broker-connection.ts";
import type { TopicPartition } from "../port.ts";
import { wireReader } from "./wire-reader.ts";
import { wireWriter } from "./wire-writer.ts";

/*
 * OffsetForLeaderEpoch Request (Version: 2 to 3) => (since 3) replica_id [topics]
 *   topics => topic [partition current_leader_epoch leader_epoch]
 * OffsetForLeaderEpoch Response (Version: 2 to 3) => throttle_time_ms [topics]
 *   topics => topic [error_code partition leader_epoch end_offset]
 */
const leaderEpochsKey = 23;

export type EpochQuestion = TopicPartition & {
  /** Of the leader that is asked, as the metadata tell it. */
  readonly leaderEpoch: number;
  /** Of the leader that wrote what was read last. */
  readonly epoch: number;
};

export type EpochAnswer = TopicPartition & {
  readonly errorCode: number;
  /** Behind the last record of that leader, or of those before it; -1 where it is not known. */
  readonly end: number;
};

/** How far the log of each partition is that of an earlier leader. Kafka 2.1 and later. */
export async function epochEnds(
  connection: BrokerConnection,
  questions: readonly EpochQuestion[],
): Promise<readonly EpochAnswer[]> {
  const apiVersion = connection.version(leaderEpochsKey, 2, 3);
  const writer = wireWriter();
  if (apiVersion >= 3) writer.int32(-1);
  writer.byTopic(questions, ({ partition, leaderEpoch, epoch }) => {
    writer.int32(partition).int32(leaderEpoch).int32(epoch);
  });
  return connection.send({
    apiKey: leaderEpochsKey,
    apiVersion,
    apiName: "OffsetForLeaderEpoch",
    body: writer.done(),
    decode(data) {
      const reader = wireReader(data);
      reader.int32();
      return reader.byTopic((topic) => {
        const [errorCode, partition] = [reader.int16(), reader.int32()];
        reader.int32();
        return { topic, partition, errorCode, end: reader.int64() };
      });
    },
  });
}
