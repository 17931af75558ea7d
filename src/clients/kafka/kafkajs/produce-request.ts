import { DbusError } from "../../../errors.ts";
import type { RawRequest } from "./connection.ts";

export const produceKey = 0;
/** The newest version that is written here; 7 is the first to know zstd. */
export const produceVersion = 7;

export type ProducePart = {
  readonly topic: string;
  readonly partition: number;
  /** One record batch. */
  readonly bytes: Uint8Array;
};

/** The protocol's error code of each part, in the order of the request. */
export type ProduceAnswer = {
  readonly errorCodes: readonly number[];
  /** How long the broker asks us to keep quiet, in milliseconds; kafkajs sees to it. */
  readonly clientSideThrottleTime: number;
};

/*
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
export function produceRequest(
  parts: readonly ProducePart[],
  options: { readonly version: number; readonly acks: -1 | 1; readonly timeoutMs: number },
): RawRequest<ProduceAnswer> {
  const byTopic = Map.groupBy(parts, (part) => part.topic);
  let size = 2 + 2 + 4 + 4;
  for (const topic of byTopic.keys()) size += 2 + Buffer.byteLength(topic) + 4;
  for (const part of parts) size += 8 + part.bytes.length;
  const body = Buffer.allocUnsafeSlow(size);
  let at = body.writeInt16BE(-1, 0);
  at = body.writeInt16BE(options.acks, at);
  at = body.writeInt32BE(options.timeoutMs, at);
  at = body.writeInt32BE(byTopic.size, at);
  for (const [topic, ofTopic] of byTopic) {
    at = body.writeInt16BE(Buffer.byteLength(topic), at);
    at += body.write(topic, at);
    at = body.writeInt32BE(ofTopic.length, at);
    for (const { partition, bytes } of ofTopic) {
      at = body.writeInt32BE(partition, at);
      at = body.writeInt32BE(bytes.length, at);
      body.set(bytes, at);
      at += bytes.length;
    }
  }
  return {
    apiKey: produceKey,
    apiVersion: options.version,
    apiName: "Produce",
    body,
    decode: (data) => decodeAnswer(data, parts, options.version),
  };
}

function decodeAnswer(data: Buffer, parts: readonly ProducePart[], version: number): ProduceAnswer {
  const codes = new Map<string, number>();
  let at = 4;
  for (let topics = data.readInt32BE(0); topics > 0; topics--) {
    const length = data.readInt16BE(at);
    const topic = data.toString("utf8", at + 2, at + 2 + length);
    at += 2 + length;
    let partitions = data.readInt32BE(at);
    at += 4;
    for (; partitions > 0; partitions--) {
      codes.set(`${topic} ${data.readInt32BE(at)}`, data.readInt16BE(at + 4));
      at += version >= 5 ? 30 : 22;
    }
  }
  const errorCodes = parts.map(({ topic, partition }) => {
    const code = codes.get(`${topic} ${partition}`);
    if (code !== undefined) return code;
    throw new DbusError("KAFKA_REQUEST_FAILED", `the broker said nothing of ${topic}/${partition}`);
  });
  // Since version 6 the broker answers first and leaves the waiting to the client (KIP-219).
  return { errorCodes, clientSideThrottleTime: version >= 6 ? data.readInt32BE(at) : 0 };
}
