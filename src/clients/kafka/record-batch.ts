import { crc32c } from "./crc32c.ts";
import type { Compression, Content, KafkaRecord } from "./port.ts";

/*
 * RecordBatch (magic 2, since Kafka 0.11) =>
 *   baseOffset INT64, batchLength INT32, partitionLeaderEpoch INT32, magic INT8, crc UINT32,
 *   attributes INT16, lastOffsetDelta INT32, baseTimestamp INT64, maxTimestamp INT64,
 *   producerId INT64, producerEpoch INT16, baseSequence INT32, count INT32, records
 * Record =>
 *   length VARINT, attributes INT8, timestampDelta VARLONG, offsetDelta VARINT,
 *   keyLength VARINT, key, valueLength VARINT, value, headerCount VARINT, headers
 * Header => nameLength VARINT, name, valueLength VARINT, value
 *
 * The CRC covers what follows it. Varints are zigzag; a length of -1 is null.
 */
const headerBytes = 61;
const codecs: Readonly<Record<Compression, number>> = { none: 0, gzip: 1, zstd: 4 };

/** Who writes, and the number of the first record; all -1 where the producer is not idempotent. */
export type ProducerStamp = {
  readonly producerId: bigint;
  readonly epoch: number;
  readonly sequence: number;
};

export type EncodedBatch = {
  /** A view of what was written: valid until `reset`. */
  readonly bytes: Uint8Array;
  /** Records that went in, those too large not counted. */
  readonly written: number;
  /** Index of the first record that was not looked at. */
  readonly end: number;
  /** Indexes of records larger than `recordBytesMax`, left out. */
  readonly oversize: readonly number[];
};

/**
 * Writes a request, the record batches in their places, into one buffer that is used again: every
 * copy of a batch less is 1 % of the CPU of the whole way from the binlog.
 */
export type RequestWriter = {
  /** Begins anew at the head of the buffer. */
  reset(): void;
  /** Leaves the buffer to whoever still reads it, and begins anew with another. */
  abandon(): void;
  /** Where the next byte goes. */
  position(): number;
  /** Goes back to an earlier position. */
  rewind(position: number): void;
  int16(value: number): void;
  int32(value: number): void;
  /** Writes over what stands at a position. */
  patchInt32(position: number, value: number): void;
  /** INT16 length and UTF-8. */
  string(value: string): void;
  /** Takes records from `from` on, up to `bytesMax` before compression, but one at least. */
  batch(
    records: readonly KafkaRecord[],
    from: number,
    stamp: ProducerStamp,
    bytesMax: number,
  ): EncodedBatch;
  /** All that was written. */
  bytes(): Buffer;
};

const shortText = 64;
const initialBytes = 1 << 19;
/** One huge record must not hold its memory for ever. */
const keptBytesMax = 1 << 23;

export function requestWriter(compression: Compression, recordBytesMax: number): RequestWriter {
  let buffer = Buffer.allocUnsafeSlow(initialBytes);
  let at = 0;

  function reserve(bytes: number): void {
    if (at + bytes <= buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, at + bytes));
    larger.set(buffer.subarray(0, at));
    buffer = larger;
  }

  /** A signed number of at most 53 bits as a zigzag varint. */
  function varint(value: number): void {
    let rest = value < 0 ? -value * 2 - 1 : value * 2;
    while (rest > 127) {
      buffer[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    buffer[at++] = rest;
  }

  function content(value: Content): void {
    if (value === null) {
      varint(-1);
      return;
    }
    if (typeof value !== "string") {
      varint(value.length);
      buffer.set(value, at);
      at += value.length;
      return;
    }
    if (value.length > shortText || !shortAscii(value)) longText(value);
  }

  /** Keys and headers: a loop costs less than a call into the encoder. False writes nothing. */
  function shortAscii(value: string): boolean {
    const start = at;
    varint(value.length);
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 127) {
        at = start;
        return false;
      }
      buffer[at++] = unit;
    }
    return true;
  }

  /** Nearly all text is ASCII, so its length is tried as the number of its bytes. */
  function longText(value: string): void {
    const start = at;
    varint(value.length);
    const body = at;
    const written = buffer.write(value, at);
    if (written !== value.length) {
      at = start;
      varint(written);
      // A length of another size has moved the place of the text, or written over its head.
      if (at !== body) buffer.write(value, at);
    }
    at += written;
  }

  function roomFor(record: KafkaRecord): number {
    let bytes = 64 + room(record.key) + room(record.value);
    for (const [name, value] of record.headers) bytes += 10 + name.length * 3 + room(value);
    return bytes;
  }

  /** Writes one record and returns its size with its length field. */
  function writeRecord(record: KafkaRecord, offset: number, baseTimestamp: number): number {
    reserve(roomFor(record));
    const start = at;
    // The length goes in front, so the body is written behind the room that it will most likely
    // take, and moved when it takes another.
    const guess = start + 2;
    at = guess;
    buffer[at++] = 0;
    varint(record.timestamp - baseTimestamp);
    varint(offset);
    content(record.key);
    content(record.value);
    varint(record.headers.length);
    for (const [name, value] of record.headers) {
      content(name);
      content(value);
    }
    const bodyBytes = at - guess;
    at = start;
    if (bodyBytes >= 64 && bodyBytes < 8192) {
      varint(bodyBytes);
    } else {
      const body = start + varintSize(bodyBytes);
      buffer.copyWithin(body, guess, guess + bodyBytes);
      varint(bodyBytes);
    }
    at += bodyBytes;
    return at - start;
  }

  /** Replaces what was written from `from` on by its compressed form. */
  function compress(from: number): void {
    if (compression === "none") return;
    const plain = buffer.subarray(from, at);
    const packed = compression === "gzip" ? Bun.gzipSync(plain) : Bun.zstdCompressSync(plain);
    at = from;
    reserve(packed.length);
    buffer.set(packed, at);
    at += packed.length;
  }

  function writeHeader(start: number, head: Head, stamp: ProducerStamp): void {
    buffer.writeBigInt64BE(0n, start);
    buffer.writeInt32BE(at - start - 12, start + 8);
    buffer.writeInt32BE(-1, start + 12);
    buffer.writeInt8(2, start + 16);
    buffer.writeInt16BE(codecs[compression], start + 21);
    buffer.writeInt32BE(head.count - 1, start + 23);
    buffer.writeBigInt64BE(BigInt(head.baseTimestamp), start + 27);
    buffer.writeBigInt64BE(BigInt(head.maxTimestamp), start + 35);
    buffer.writeBigInt64BE(stamp.producerId, start + 43);
    buffer.writeInt16BE(stamp.epoch, start + 51);
    buffer.writeInt32BE(stamp.sequence, start + 53);
    buffer.writeInt32BE(head.count, start + 57);
    buffer.writeUInt32BE(crc32c(buffer, start + 21, at), start + 17);
  }

  function batch(
    records: readonly KafkaRecord[],
    from: number,
    stamp: ProducerStamp,
    bytesMax: number,
  ): EncodedBatch {
    const start = at;
    reserve(headerBytes);
    at += headerBytes;
    const baseTimestamp = records[from]?.timestamp ?? 0;
    let maxTimestamp = baseTimestamp;
    const oversize: number[] = [];
    let count = 0;
    let index = from;
    for (; index < records.length; index++) {
      const record = records[index] as KafkaRecord;
      const before = at;
      const bytes = writeRecord(record, count, baseTimestamp);
      if (bytes > recordBytesMax) {
        at = before;
        oversize.push(index);
        continue;
      }
      if (at - start > bytesMax && count > 0) {
        at = before;
        break;
      }
      if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp;
      count++;
    }
    if (count === 0) at = start;
    else {
      compress(start + headerBytes);
      writeHeader(start, { count, baseTimestamp, maxTimestamp }, stamp);
    }
    return { bytes: buffer.subarray(start, at), written: count, end: index, oversize };
  }

  return {
    batch,
    reset: () => {
      at = 0;
      if (buffer.length > keptBytesMax) buffer = Buffer.allocUnsafeSlow(initialBytes);
    },
    abandon: () => {
      at = 0;
      buffer = Buffer.allocUnsafeSlow(initialBytes);
    },
    position: () => at,
    rewind: (position) => {
      at = position;
    },
    int16(value) {
      reserve(2);
      at = buffer.writeInt16BE(value, at);
    },
    int32(value) {
      reserve(4);
      at = buffer.writeInt32BE(value, at);
    },
    patchInt32: (position, value) => void buffer.writeInt32BE(value, position),
    string(value) {
      reserve(2 + value.length * 3);
      const written = buffer.write(value, at + 2);
      buffer.writeInt16BE(written, at);
      at += 2 + written;
    },
    bytes: () => buffer.subarray(0, at),
  };
}

type Head = {
  readonly count: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
};

/** The most bytes that a value can take with its length. */
function room(value: Content): number {
  if (value === null) return 5;
  return typeof value === "string" ? value.length * 3 + 5 : value.length + 5;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value * 2; rest > 127; rest = Math.floor(rest / 128)) size++;
  return size;
}
