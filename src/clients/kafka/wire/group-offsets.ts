import type { BrokerConnection } from "../broker-connection.ts";
import type { CommitOffset, TopicPartition } from "../port.ts";
import type { Member } from "./group.ts";
import { wireReader } from "./wire-reader.ts";
import { wireWriter } from "./wire-writer.ts";

/*
 * OffsetCommit Request (Version: 7) => group_id generation_id member_id group_instance_id [topics]
 *   topics => name [partition_index committed_offset committed_leader_epoch committed_metadata]
 * OffsetCommit Response (Version: 7) => throttle_time_ms [name [partition_index error_code]]
 * OffsetFetch Request (Version: 5) => group_id [name [partition_index]]
 * OffsetFetch Response (Version: 5) => throttle_time_ms [name [partition_index committed_offset
 *   committed_leader_epoch metadata error_code]] error_code
 * A null list of topics asks for all that the group has committed.
 */
const keys = { commit: 8, fetch: 9 } as const;

export type CommitAnswer = TopicPartition & { readonly errorCode: number };

export async function commitOffsets(
  connection: BrokerConnection,
  { group, generation, memberId }: Member,
  offsets: readonly CommitOffset[],
): Promise<readonly CommitAnswer[]> {
  const writer = wireWriter().string(group).int32(generation).string(memberId).string(null);
  writer.byTopic(offsets, ({ partition, offset, leaderEpoch = -1, metadata = "" }) => {
    writer.int32(partition).int64(offset).int32(leaderEpoch).string(metadata);
  });
  return connection.send({
    apiKey: keys.commit,
    apiVersion: connection.version(keys.commit, 7, 7),
    apiName: "OffsetCommit",
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

export type StoredOffset = TopicPartition & {
  /** -1 where nothing is committed. */
  readonly offset: number;
  /** -1 where it is not known. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly errorCode: number;
};

/** Of every partition that the group has committed one for. */
export async function fetchOffsets(
  connection: BrokerConnection,
  group: string,
): Promise<{ readonly errorCode: number; readonly offsets: readonly StoredOffset[] }> {
  return connection.send({
    apiKey: keys.fetch,
    apiVersion: connection.version(keys.fetch, 5, 5),
    apiName: "OffsetFetch",
    body: wireWriter().string(group).int32(-1).done(),
    decode(data) {
      const reader = wireReader(data);
      reader.int32();
      const offsets = reader.byTopic((topic) => {
        const [partition, offset] = [reader.int32(), reader.int64()];
        const [leaderEpoch, metadata] = [reader.int32(), reader.string()];
        const errorCode = reader.int16();
        return { topic, partition, offset, leaderEpoch, metadata, errorCode };
      });
      return { errorCode: reader.int16(), offsets };
    },
  });
}
