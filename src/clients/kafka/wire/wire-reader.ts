import { DbusError } from "../../../errors.ts";

/**
 * Reads the fields of an answer in their order. What a broker tells of lengths is checked against
 * the bytes that are there, so that a wrong one is an error and never an allocation or a loop.
 */
export type WireReader = {
  int8(): number;
  int16(): number;
  int32(): number;
  /** An offset or a time as a number. One that a number cannot hold exactly is an error. */
  int64(): number;
  /** Such as the ids of producers, which may be any. */
  bigInt64(): bigint;
  bool(): boolean;
  /** INT16 length and UTF-8; "" stands for null. */
  string(): string;
  /** INT32 length; null for -1. */
  bytes(): Buffer | null;
  array<T>(read: () => T): T[];
  /** An array of topics, each with its name and an array of what is told of its partitions. */
  byTopic<T>(read: (topic: string) => T): T[];
  skip(bytes: number): void;
  /** Of flexible versions: unsigned varint of the length plus one. */
  compactString(): string;
  compactArray<T>(read: () => T): T[];
  uuid(): string;
  tags(): void;
};

export function wireReader(buffer: Buffer, start = 0): WireReader {
  let at = start;

  /** Goes behind so many bytes, and answers where they begin. */
  function take(count: number): number {
    if (!(count >= 0) || at + count > buffer.length) {
      const text = `an answer of ${buffer.length} bytes holds a length of ${count}`;
      throw new DbusError("KAFKA_REQUEST_FAILED", text);
    }
    const from = at;
    at += count;
    return from;
  }

  function text(length: number): string {
    if (length < 0) return "";
    const from = take(length);
    return buffer.toString("utf8", from, from + length);
  }

  function array<T>(count: number, read: () => T): T[] {
    // Each element takes a byte at least, so that a count above the bytes is none.
    if (count > buffer.length - at) take(count);
    const values: T[] = [];
    for (let i = 0; i < count; i++) values.push(read());
    return values;
  }

  function exactInt64(): number {
    const value = int64At(buffer, take(8));
    if (Number.isSafeInteger(value)) return value;
    const text = `an answer holds ${value}, which is beyond 2^53`;
    throw new DbusError("KAFKA_REQUEST_FAILED", text);
  }

  function uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = buffer[take(1)] as number;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new DbusError("KAFKA_REQUEST_FAILED", "an answer holds a varint without an end");
  }

  const reader: WireReader = {
    int8: () => buffer.readInt8(take(1)),
    int16: () => buffer.readInt16BE(take(2)),
    int32: () => buffer.readInt32BE(take(4)),
    int64: exactInt64,
    bigInt64: () => buffer.readBigInt64BE(take(8)),
    bool: () => buffer[take(1)] !== 0,
    string: () => text(buffer.readInt16BE(take(2))),
    bytes() {
      const length = buffer.readInt32BE(take(4));
      if (length === -1) return null;
      const from = take(length);
      return buffer.subarray(from, from + length);
    },
    array: (read) => array(buffer.readInt32BE(take(4)), read),
    byTopic(read) {
      const topics = reader.array(() => {
        const topic = reader.string();
        return reader.array(() => read(topic));
      });
      return topics.flat();
    },
    skip: (bytes) => void take(bytes),
    compactString: () => text(uvarint() - 1),
    compactArray: (read) => array(uvarint() - 1, read),
    uuid() {
      const from = take(16);
      return buffer.toString("hex", from, from + 16);
    },
    tags() {
      for (let count = uvarint(); count > 0; count--) {
        uvarint();
        take(uvarint());
      }
    },
  };
  return reader;
}

/** Rounded beyond 2^53. */
export function int64At(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * 0x1_0000_0000 + buffer.readUInt32BE(at + 4);
}
