import { crc32c } from "#src/clients/kafka/crc32c.ts";
import { requestWriter } from "#src/clients/kafka/producer/record-batch.ts";
import {
  type Answers,
  fields,
  framed,
  goodAnswers,
  topic,
  versionsAnswer,
} from "./kafka-script.ts";

/*
 * What one broker with one topic of one partition says to a consumer, alone and in a group: as
 * Metadata 6, Fetch 11, ListOffsets 3, FindCoordinator 2, JoinGroup 5, SyncGroup 3, Heartbeat 3,
 * LeaveGroup 3, OffsetFetch 5 and OffsetCommit 7.
 */
export const consumerKeys = {
  fetch: 1,
  listOffsets: 2,
  metadata: 3,
  offsetCommit: 8,
  offsetFetch: 9,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  leaveGroup: 13,
  syncGroup: 14,
  apiVersions: 18,
} as const;

/** Of the partition: its first offset, and the number of records in its only batch. */
export const firstOffset = 5;
export const recordCount = 3;
const end = firstOffset + recordCount;

/** The only batch of the partition, as it lies in the log. */
export const goodBatch = (() => {
  const writer = requestWriter("none", 1 << 20);
  const records = Array.from({ length: recordCount }, (_, i) => ({
    key: `k${i}`,
    value: `v${i}`,
    headers: [["h", "x"]] as const,
    timestamp: 1_700_000_000_000 + i,
  }));
  writer.batch(records, 0, { producerId: 7n, epoch: 0, sequence: 0 }, 1 << 20);
  const bytes = Buffer.from(writer.bytes());
  bytes.writeBigInt64BE(BigInt(firstOffset), 0);
  return bytes;
})();

/** A batch with the checksum and the length that fit it, so that what is inside is looked at. */
export function signed(batch: Buffer): Buffer {
  if (batch.length < 61) return batch;
  batch.writeInt32BE(batch.length - 12, 8);
  batch[16] = 2;
  batch.writeUInt32BE(crc32c(batch, 21, batch.length), 17);
  return batch;
}

export const fetchAnswer = (batches: Buffer): Buffer =>
  framed(
    Buffer.concat([
      fields([4, 0], [2, 0], [4, 0], [4, 1], topic, [4, 1], [4, 0], [2, 0], [8, end], [8, end]),
      fields([8, firstOffset], [4, 1], [8, 3], [8, firstOffset + 9], [4, -1], [4, batches.length]),
      batches,
    ]),
  );

const assignment = Buffer.concat([fields([2, 1], [4, 1], topic, [4, 1], [4, 0], [4, -1])]);
const subscription = Buffer.concat([fields([2, 1], [4, 1], topic, [4, -1], [4, 0])]);

export const goodConsumerAnswers: Answers = {
  ...goodAnswers,
  [consumerKeys.apiVersions]: versionsAnswer([
    [consumerKeys.fetch, 4, 11],
    [consumerKeys.listOffsets, 1, 3],
    [consumerKeys.metadata, 4, 6],
    [consumerKeys.offsetCommit, 2, 7],
    [consumerKeys.offsetFetch, 1, 5],
    [consumerKeys.findCoordinator, 0, 2],
    [consumerKeys.joinGroup, 0, 5],
    [consumerKeys.heartbeat, 0, 3],
    [consumerKeys.leaveGroup, 0, 3],
    [consumerKeys.syncGroup, 0, 3],
    [consumerKeys.apiVersions, 0, 0],
  ]),
  [consumerKeys.fetch]: fetchAnswer(goodBatch),
  [consumerKeys.listOffsets]: framed(
    fields([4, 0], [4, 1], topic, [4, 1], [4, 0], [2, 0], [8, -1], [8, firstOffset]),
  ),
  [consumerKeys.findCoordinator]: framed(
    fields([4, 0], [2, 0], [2, -1], [4, 1], "127.0.0.1", [4, 1]),
  ),
  [consumerKeys.joinGroup]: framed(
    Buffer.concat([
      fields([4, 0], [2, 0], [4, 1], "cooperative-sticky", "me", "me", [4, 1], "me", [2, -1]),
      fields([4, subscription.length]),
      subscription,
    ]),
  ),
  [consumerKeys.syncGroup]: framed(
    Buffer.concat([fields([4, 0], [2, 0], [4, assignment.length]), assignment]),
  ),
  [consumerKeys.heartbeat]: framed(fields([4, 0], [2, 0])),
  [consumerKeys.leaveGroup]: framed(fields([4, 0], [2, 0], [4, 0])),
  [consumerKeys.offsetFetch]: framed(
    fields([4, 0], [4, 1], topic, [4, 1], [4, 0], [8, firstOffset], [4, -1], "m", [2, 0], [2, 0]),
  ),
  [consumerKeys.offsetCommit]: framed(fields([4, 0], [4, 1], topic, [4, 1], [4, 0], [2, 0])),
};
