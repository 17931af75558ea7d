import { DbusError } from "../../../errors.ts";
import type { FramedRequest } from "../broker-connection.ts";
import type { EncodedBatch, RequestWriter } from "./record-batch.ts";

export const produceKey = 0;
/** The newest version that is written here; 7 is the first to know zstd. */
export const produceVersion = 7;
/** The oldest that takes record batches as they are written here. */
export const produceVersionMin = 3;

/** The protocol's error code of each part, in the order of the request. */
export type ProduceAnswer = {
  readonly errorCodes: readonly number[];
  /** For how long a quota holds this client up, in milliseconds. */
  readonly throttleMs: number;
  /** How much of that is left to us; the drivers know it by this name. */
  readonly clientSideThrottleTime: number;
};

export type ProduceHead = {
  readonly clientId: string;
  readonly version: number;
  readonly acks: -1 | 1;
  readonly timeoutMs: number;
  readonly transactionalId?: string | undefined;
};

/** A partition that wants a share of a request; `write` puts its record batch in, if it has one. */
export type ProducePart<Share> = {
  readonly topic: string;
  readonly partition: number;
  write(): { readonly share: Share; readonly encoded: EncodedBatch } | undefined;
};

const correlationAt = 8;

/*
 * Size INT32, api_key INT16, api_version INT16, correlation_id INT32, client_id NULLABLE_STRING, and
 * Produce Request (Version: 3 to 7) => transactional_id acks timeout_ms [topic_data]
 *   transactional_id => NULLABLE_STRING
 *   acks => INT16
 *   timeout_ms => INT32
 *   topic_data => name [partition_data]
 *     name => STRING
 *     partition_data => index records
 *       index => INT32
 *       records => BYTES
 *
 * Produce Response (Version: 3 to 7) => [responses] throttle_time_ms
 *   responses => name [partition_responses]
 *     name => STRING
 *     partition_responses => index error_code base_offset log_append_time_ms log_start_offset
 *       index => INT32
 *       error_code => INT16
 *       base_offset => INT64
 *       log_append_time_ms => INT64
 *       log_start_offset => INT64 (since version 5)
 *   throttle_time_ms => INT32
 */

/** Writes a request of the parts, those of one topic behind one another, up to `bytesMax`. */
export function writeProduce<Share>(
  writer: RequestWriter,
  head: ProduceHead,
  parts: readonly ProducePart<Share>[],
  bytesMax: number,
): Share[] {
  const shares: Share[] = [];
  writer.reset();
  writer.int32(0);
  writer.int16(produceKey);
  writer.int16(head.version);
  writer.int32(0);
  writer.string(head.clientId);
  if (head.transactionalId === undefined) writer.int16(-1);
  else writer.string(head.transactionalId);
  writer.int16(head.acks);
  writer.int32(head.timeoutMs);
  const topicsAt = writer.position();
  writer.int32(0);
  let topics = 0;
  for (const [topic, ofTopic] of Map.groupBy(parts, (part) => part.topic)) {
    if (writer.position() > bytesMax) break;
    if (writeTopic(writer, topic, ofTopic, bytesMax, shares)) topics++;
  }
  writer.patchInt32(topicsAt, topics);
  writer.patchInt32(0, writer.position() - 4);
  return shares;
}

/** False, and nothing written, when none of the parts has something to send. */
function writeTopic<Share>(
  writer: RequestWriter,
  topic: string,
  parts: readonly ProducePart<Share>[],
  bytesMax: number,
  shares: Share[],
): boolean {
  const start = writer.position();
  writer.string(topic);
  const countAt = writer.position();
  writer.int32(0);
  let count = 0;
  for (const part of parts) {
    if (writer.position() > bytesMax) break;
    const partAt = writer.position();
    writer.int32(part.partition);
    writer.int32(0);
    const written = part.write();
    if (!written) {
      writer.rewind(partAt);
      continue;
    }
    writer.patchInt32(partAt + 4, written.encoded.bytes.length);
    shares.push(written.share);
    count++;
  }
  if (count === 0) writer.rewind(start);
  else writer.patchInt32(countAt, count);
  return count > 0;
}

/** What was written as a request that can be sent; `places` are its parts in their order. */
export function produceRequest(
  writer: RequestWriter,
  version: number,
  places: readonly { readonly topic: string; readonly partition: number }[],
): FramedRequest<ProduceAnswer> {
  return {
    apiKey: produceKey,
    apiVersion: version,
    apiName: "Produce",
    frame(correlationId) {
      writer.patchInt32(correlationAt, correlationId);
      return writer.bytes();
    },
    decode: (data) => decodeAnswer(data, places, version),
  };
}

function decodeAnswer(
  data: Buffer,
  places: readonly { readonly topic: string; readonly partition: number }[],
  version: number,
): ProduceAnswer {
  const codes = new Map<string, number>();
  let at = 4;
  for (let topics = data.readInt32BE(0); topics > 0; topics--) {
    const length = data.readInt16BE(at);
    // A negative one would go back, and on for ever.
    if (length < 0) throw new DbusError("KAFKA_REQUEST_FAILED", "the answer names no topic");
    const topic = data.toString("utf8", at + 2, at + 2 + length);
    at += 2 + length;
    let partitions = data.readInt32BE(at);
    at += 4;
    for (; partitions > 0; partitions--) {
      codes.set(`${topic} ${data.readInt32BE(at)}`, data.readInt16BE(at + 4));
      at += version >= 5 ? 30 : 22;
    }
  }
  const errorCodes = places.map(({ topic, partition }) => {
    const code = codes.get(`${topic} ${partition}`);
    if (code !== undefined) return code;
    throw new DbusError("KAFKA_REQUEST_FAILED", `the broker said nothing of ${topic}/${partition}`);
  });
  const throttleMs = data.readInt32BE(at);
  // Since version 6 the broker answers first and leaves the waiting to the client (KIP-219).
  return { errorCodes, throttleMs, clientSideThrottleTime: version >= 6 ? throttleMs : 0 };
}
