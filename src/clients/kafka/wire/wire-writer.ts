import { type ByteSink, createByteSink, putBytes, reserve } from "../../../byte-sink.ts";
import type { TopicPartition } from "../port.ts";

/** Writes the fields of a request in their order. */
export type WireWriter = {
  int8(value: number): WireWriter;
  int16(value: number): WireWriter;
  int32(value: number): WireWriter;
  int64(value: number | bigint): WireWriter;
  /** INT16 length and UTF-8; null is -1. */
  string(value: string | null): WireWriter;
  /** INT32 length; null is -1. */
  bytes(value: Uint8Array | null): WireWriter;
  array<T>(values: readonly T[], write: (value: T, index: number) => void): WireWriter;
  /** An array of topics, each with its name and an array of its partitions, in their order. */
  byTopic<T extends TopicPartition>(values: readonly T[], write: (value: T) => void): WireWriter;
  /** Of flexible versions: unsigned varint of the length plus one; null is 0. */
  compactArray<T>(values: readonly T[] | null, write: (value: T) => void): WireWriter;
  compactString(value: string): WireWriter;
  done(): Buffer;
};

export function wireWriter(): WireWriter {
  const sink = createByteSink(256);
  const writer: WireWriter = {
    int8(value) {
      reserve(sink, 1);
      sink.at = sink.buffer.writeInt8(value, sink.at);
      return writer;
    },
    int16(value) {
      reserve(sink, 2);
      sink.at = sink.buffer.writeInt16BE(value, sink.at);
      return writer;
    },
    int32(value) {
      reserve(sink, 4);
      sink.at = sink.buffer.writeInt32BE(value, sink.at);
      return writer;
    },
    int64(value) {
      reserve(sink, 8);
      sink.at = sink.buffer.writeBigInt64BE(BigInt(value), sink.at);
      return writer;
    },
    string(value) {
      if (value === null) return writer.int16(-1);
      const bytes = Buffer.from(value);
      writer.int16(bytes.length);
      putBytes(sink, bytes);
      return writer;
    },
    bytes(value) {
      if (value === null) return writer.int32(-1);
      writer.int32(value.length);
      putBytes(sink, value);
      return writer;
    },
    array(values, write) {
      writer.int32(values.length);
      for (const [index, value] of values.entries()) write(value, index);
      return writer;
    },
    byTopic(values, write) {
      return writer.array([...Map.groupBy(values, ({ topic }) => topic)], ([topic, ofTopic]) => {
        writer.string(topic).array(ofTopic, write);
      });
    },
    compactArray(values, write) {
      putUvarint(sink, values === null ? 0 : values.length + 1);
      for (const value of values ?? []) write(value);
      return writer;
    },
    compactString(value) {
      const bytes = Buffer.from(value);
      putUvarint(sink, bytes.length + 1);
      putBytes(sink, bytes);
      return writer;
    },
    done: () => sink.buffer.subarray(0, sink.at),
  };
  return writer;
}

function putUvarint(sink: ByteSink, value: number): void {
  reserve(sink, 5);
  let rest = value;
  while (rest > 127) {
    sink.buffer[sink.at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  sink.buffer[sink.at++] = rest;
}
