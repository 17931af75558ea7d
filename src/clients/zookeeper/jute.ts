import { DbusError } from "../../errors.ts";

/*
 * Jute, the encoding of ZooKeeper's records: integers are big-endian and signed, a buffer or a
 * string is its length as an int and its bytes (-1 is null), a vector its count and its items.
 */

export type JuteWriter = {
  int(value: number): JuteWriter;
  long(value: bigint): JuteWriter;
  bool(value: boolean): JuteWriter;
  bytes(value: Uint8Array | null): JuteWriter;
  text(value: string): JuteWriter;
  list<T>(items: readonly T[], write: (item: T) => void): JuteWriter;
  /** Bytes that are encoded already. */
  raw(value: Uint8Array): JuteWriter;
  /** What was written, as a frame: its length before it. */
  frame(): Buffer;
};

const lengthBytes = 4;

export function createJuteWriter(): JuteWriter {
  let buffer = Buffer.allocUnsafe(256);
  let at = lengthBytes;

  /** Where the next bytes go. It may move the buffer: call it before `buffer` is named. */
  function reserve(count: number): number {
    if (at + count > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, at + count));
      buffer.copy(larger, 0, 0, at);
      buffer = larger;
    }
    const from = at;
    at += count;
    return from;
  }

  const writer: JuteWriter = {
    int(value) {
      const from = reserve(4);
      buffer.writeInt32BE(value, from);
      return writer;
    },
    long(value) {
      const from = reserve(8);
      buffer.writeBigInt64BE(value, from);
      return writer;
    },
    bool(value) {
      const from = reserve(1);
      buffer.writeUInt8(value ? 1 : 0, from);
      return writer;
    },
    bytes(value) {
      writer.int(value === null ? -1 : value.length);
      return value === null ? writer : writer.raw(value);
    },
    text: (value) => writer.bytes(Buffer.from(value, "utf8")),
    list(items, write) {
      writer.int(items.length);
      for (const item of items) write(item);
      return writer;
    },
    raw(value) {
      const from = reserve(value.length);
      buffer.set(value, from);
      return writer;
    },
    frame() {
      buffer.writeInt32BE(at - lengthBytes, 0);
      return buffer.subarray(0, at);
    },
  };
  return writer;
}

export type JuteReader = {
  int(): number;
  long(): bigint;
  bool(): boolean;
  /** A copy; empty for null. */
  bytes(): Uint8Array;
  text(): string;
  list<T>(read: () => T): T[];
  /** A copy of all that is left. */
  rest(): Uint8Array;
  readonly left: number;
};

/** Reads records; throws ZOOKEEPER_PROTOCOL where they end too early. */
export function createJuteReader(record: Buffer): JuteReader {
  let at = 0;

  function take(count: number): number {
    if (count < 0 || count > record.length - at) {
      throw new DbusError("ZOOKEEPER_PROTOCOL", "a record of ZooKeeper ends too early");
    }
    const from = at;
    at += count;
    return from;
  }

  const reader: JuteReader = {
    int: () => record.readInt32BE(take(4)),
    long: () => record.readBigInt64BE(take(8)),
    bool: () => record.readUInt8(take(1)) !== 0,
    bytes() {
      const length = reader.int();
      if (length === -1) return new Uint8Array(0);
      const from = take(length);
      return Uint8Array.prototype.slice.call(record, from, from + length);
    },
    text() {
      const length = reader.int();
      if (length === -1) return "";
      const from = take(length);
      return record.toString("utf8", from, from + length);
    },
    list(read) {
      const count = reader.int();
      if (count === -1) return [];
      // An item takes four bytes at least: a count beyond that is refused before anything is made.
      if (count < 0 || count > (record.length - at) / 4) take(record.length + 1);
      return Array.from({ length: count }, read);
    },
    rest: () => Uint8Array.prototype.slice.call(record, take(record.length - at)),
    get left() {
      return record.length - at;
    },
  };
  return reader;
}

/** Cuts a stream, however it arrives, into frames. Throws ZOOKEEPER_PROTOCOL for a wrong length. */
export function createFrameReader(bytesMax: number): (chunk: Buffer) => Buffer[] {
  let waiting: Buffer[] = [];
  let waitingBytes = 0;

  /** The length of the next frame; undefined before its four bytes are there. */
  function nextLength(): number | undefined {
    if (waitingBytes < lengthBytes) return undefined;
    if ((waiting[0]?.length ?? 0) < lengthBytes) waiting = [Buffer.concat(waiting)];
    const length = (waiting[0] as Buffer).readInt32BE(0);
    if (length < 0 || length > bytesMax) {
      throw new DbusError("ZOOKEEPER_PROTOCOL", `a frame of ${length} bytes was announced`);
    }
    return length;
  }

  return (chunk) => {
    waiting.push(chunk);
    waitingBytes += chunk.length;
    const frames: Buffer[] = [];
    for (let length = nextLength(); length !== undefined; length = nextLength()) {
      if (waitingBytes < lengthBytes + length) break;
      const all = waiting.length === 1 ? (waiting[0] as Buffer) : Buffer.concat(waiting);
      frames.push(all.subarray(lengthBytes, lengthBytes + length));
      const rest = all.subarray(lengthBytes + length);
      waiting = rest.length > 0 ? [rest] : [];
      waitingBytes = rest.length;
    }
    return frames;
  };
}
