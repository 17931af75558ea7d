import type { BrokerConnection } from "../broker-connection.ts";
import { wireReader } from "./wire-reader.ts";
import { wireWriter } from "./wire-writer.ts";

/*
 * Fetch Request (Version: 4 to 11) => replica_id max_wait_ms min_bytes max_bytes isolation_level
 *     (since 7) session_id session_epoch [topics] (since 7) [forgotten_topics_data]
 *     (since 11) rack_id
 *   topics => topic [partitions]
 *     partitions => partition (since 9) current_leader_epoch fetch_offset
 *       (since 5) log_start_offset partition_max_bytes
 * Fetch Response (Version: 4 to 11) => throttle_time_ms (since 7) error_code session_id [responses]
 *   responses => topic [partitions]
 *     partitions => partition_index error_code high_watermark last_stable_offset
 *       (since 5) log_start_offset [aborted_transactions] (since 11) preferred_read_replica records
 *       aborted_transactions => producer_id first_offset
 */
const fetchKey = 1;

export type FetchPart = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
};

export type FetchRequest = {
  /** Read in this order: a broker fills its answer from the front. */
  readonly parts: readonly FetchPart[];
  readonly waitMs: number;
  /** How much longer than that its answer may take. */
  readonly answerMs: number;
  readonly bytesMax: number;
  readonly partitionBytesMax: number;
  /** 1 leaves out what transactions have not committed. */
  readonly isolation: 0 | 1;
};

export type AbortedTransaction = { readonly producerId: bigint; readonly firstOffset: number };

export type FetchAnswer = {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  /** The next offset that may be read: of the isolation level. */
  readonly end: number;
  /** Undefined before version 5. */
  readonly start: number | undefined;
  readonly aborted: readonly AbortedTransaction[];
  /** Record batches; the last may be cut anywhere. A view of the answer. */
  readonly records: Buffer | null;
};

export type Fetched = {
  readonly errorCode: number;
  /** For how long a quota holds this client up, in milliseconds. */
  readonly throttleMs: number;
  /** How much of that is left to us. */
  readonly quietMs: number;
  /** Of the whole answer. */
  readonly bytes: number;
  readonly parts: readonly FetchAnswer[];
};

export async function fetchRecords(
  connection: BrokerConnection,
  request: FetchRequest,
): Promise<Fetched> {
  const apiVersion = connection.version(fetchKey, 4, 11);
  return connection.send({
    apiKey: fetchKey,
    apiVersion,
    apiName: "Fetch",
    body: encode(request, apiVersion),
    timeoutMs: request.waitMs + request.answerMs,
    decode: (data) => decode(data, apiVersion, request.isolation),
  });
}

function encode(request: FetchRequest, version: number): Buffer {
  const { waitMs, bytesMax, partitionBytesMax, isolation } = request;
  const writer = wireWriter().int32(-1).int32(waitMs).int32(1).int32(bytesMax).int8(isolation);
  // No session: what is asked for changes with the credit, and a whole request is always right.
  if (version >= 7) writer.int32(0).int32(-1);
  writer.byTopic(request.parts, ({ partition, offset }) => {
    writer.int32(partition);
    if (version >= 9) writer.int32(-1);
    writer.int64(offset);
    if (version >= 5) writer.int64(-1);
    writer.int32(partitionBytesMax);
  });
  if (version >= 7) writer.int32(0);
  if (version >= 11) writer.string("");
  return writer.done();
}

function decode(data: Buffer, version: number, isolation: 0 | 1): Fetched {
  const reader = wireReader(data);
  const throttleMs = reader.int32();
  const errorCode = version >= 7 ? reader.int16() : 0;
  if (version >= 7) reader.int32();
  const parts = reader.byTopic((topic): FetchAnswer => {
    const [partition, errorCode] = [reader.int32(), reader.int16()];
    const [high, stable] = [reader.int64(), reader.int64()];
    const start = version >= 5 ? reader.int64() : undefined;
    const aborted = reader.array(() => ({
      producerId: reader.bigInt64(),
      firstOffset: reader.int64(),
    }));
    if (version >= 11) reader.int32();
    const end = isolation === 1 && stable >= 0 ? stable : high;
    return { topic, partition, errorCode, end, start, aborted, records: reader.bytes() };
  });
  // Since version 8 the broker answers first and leaves the waiting to the client (KIP-219).
  const quietMs = version >= 8 ? throttleMs : 0;
  return { errorCode, throttleMs, quietMs, bytes: data.length, parts };
}
