import { type ByteSink, createByteSink, putBytes, putText, reserve } from "../../../byte-sink.ts";
import { DbusError, toDbusError } from "../../../errors.ts";
import { crc32c } from "../crc32c.ts";
import type { Compression, KafkaRecord, KafkaValue } from "../port.ts";

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
const transactionalBit = 16;
const codecs: Readonly<Record<Compression, number>> = { none: 0, gzip: 1, zstd: 4 };

/** Who writes, and the number of the first record; all -1 where the producer is not idempotent. */
export type ProducerStamp = {
  readonly producerId: bigint;
  readonly epoch: number;
  readonly sequence: number;
  /** Whether it belongs to a transaction, and counts only once that is committed. */
  readonly transactional?: boolean;
};

export type Refusal = { readonly index: number; readonly error: DbusError };

export type EncodedBatch = {
  /** A view of what was written: valid until `reset`. */
  readonly bytes: Uint8Array;
  /** Records that went in, those that were refused not counted. */
  readonly written: number;
  /** Index of the first record that was not looked at. */
  readonly end: number;
  /** Records that are too large or cannot be written, left out. */
  readonly refused: readonly Refusal[];
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

const initialBytes = 1 << 19;
/** One huge record must not hold its memory for ever. */
const keptBytesMax = 1 << 23;

/** A signed number of at most 53 bits as a zigzag varint. */
function putVarint(sink: ByteSink, value: number): void {
  reserve(sink, 8);
  const { buffer } = sink;
  let rest = value < 0 ? -value * 2 - 1 : value * 2;
  while (rest > 127) {
    buffer[sink.at++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  buffer[sink.at++] = rest;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value * 2; rest > 127; rest = Math.floor(rest / 128)) size++;
  return size;
}

/**
 * Puts the length in front of what was written behind `start` and a gap of `gap` bytes, and closes
 * the gap or widens it.
 */
function putLengthBefore(sink: ByteSink, start: number, gap: number): void {
  const from = start + gap;
  const length = sink.at - from;
  const body = start + varintSize(length);
  // Room behind the end is room behind the start too: the sink must not grow while it is rewound,
  // as it takes along only what lies before its position.
  reserve(sink, 8);
  if (body !== from) sink.buffer.copyWithin(body, from, from + length);
  sink.at = start;
  putVarint(sink, length);
  sink.at = body + length;
}

function putContent(sink: ByteSink, value: KafkaValue): void {
  if (value === null) {
    putVarint(sink, -1);
  } else if (typeof value === "string" || "writeTo" in value) {
    // Most lengths are one byte for text of keys and headers, two for values.
    const gap = typeof value === "string" && value.length < 64 ? 1 : 2;
    const start = sink.at;
    reserve(sink, gap);
    sink.at += gap;
    if (typeof value === "string") putText(sink, value);
    else value.writeTo(sink);
    putLengthBefore(sink, start, gap);
  } else {
    putVarint(sink, value.length);
    putBytes(sink, value);
  }
}

/** Writes one record and returns its size with its length field. */
function putRecord(
  sink: ByteSink,
  record: KafkaRecord,
  offset: number,
  baseTimestamp: number,
): number {
  const start = sink.at;
  reserve(sink, 3);
  sink.at = start + 2;
  sink.buffer[sink.at++] = 0;
  putVarint(sink, record.timestamp - baseTimestamp);
  putVarint(sink, offset);
  putContent(sink, record.key);
  putContent(sink, record.value);
  putVarint(sink, record.headers.length);
  for (const [name, value] of record.headers) {
    putContent(sink, name);
    putContent(sink, value);
  }
  putLengthBefore(sink, start, 2);
  return sink.at - start;
}

/** Older brokers take any time from a producer, also one that no number can hold. */
const hasTime = ({ timestamp }: KafkaRecord): boolean => Number.isSafeInteger(timestamp);

export function requestWriter(compression: Compression, recordBytesMax: number): RequestWriter {
  const sink = createByteSink(initialBytes);

  /** Replaces what was written from `from` on by its compressed form. */
  function compress(from: number): void {
    if (compression === "none") return;
    const plain = sink.buffer.subarray(from, sink.at);
    const packed = compression === "gzip" ? Bun.gzipSync(plain) : Bun.zstdCompressSync(plain);
    sink.at = from;
    putBytes(sink, packed);
  }

  function writeHeader(start: number, head: Head, stamp: ProducerStamp): void {
    const { buffer, at } = sink;
    buffer.writeBigInt64BE(0n, start);
    buffer.writeInt32BE(at - start - 12, start + 8);
    buffer.writeInt32BE(-1, start + 12);
    buffer.writeInt8(2, start + 16);
    const bits = stamp.transactional ? transactionalBit : 0;
    buffer.writeInt16BE(codecs[compression] | bits, start + 21);
    buffer.writeInt32BE(head.count - 1, start + 23);
    buffer.writeBigInt64BE(BigInt(head.baseTimestamp), start + 27);
    buffer.writeBigInt64BE(BigInt(head.maxTimestamp), start + 35);
    buffer.writeBigInt64BE(stamp.producerId, start + 43);
    buffer.writeInt16BE(stamp.epoch, start + 51);
    buffer.writeInt32BE(stamp.sequence, start + 53);
    buffer.writeInt32BE(head.count, start + 57);
    buffer.writeUInt32BE(crc32c(buffer, start + 21, at), start + 17);
  }

  /** Writes a record, or nothing of it and why. */
  function tryRecord(
    record: KafkaRecord,
    offset: number,
    baseTimestamp: number,
  ): DbusError | undefined {
    const before = sink.at;
    let error: DbusError;
    try {
      if (!hasTime(record)) {
        const text = `a record has ${record.timestamp} as its timestamp`;
        throw new DbusError("KAFKA_RECORD_REJECTED", text);
      }
      if (putRecord(sink, record, offset, baseTimestamp) <= recordBytesMax) return undefined;
      const text = `a record is larger than recordBytesMax (${recordBytesMax} bytes)`;
      error = new DbusError("KAFKA_RECORD_TOO_LARGE", text);
    } catch (thrown) {
      error = toDbusError(thrown, "KAFKA_RECORD_REJECTED");
    }
    sink.at = before;
    return error;
  }

  function batch(
    records: readonly KafkaRecord[],
    from: number,
    stamp: ProducerStamp,
    bytesMax: number,
  ): EncodedBatch {
    const start = sink.at;
    reserve(sink, headerBytes);
    sink.at += headerBytes;
    let first = from;
    while (first < records.length && !hasTime(records[first] as KafkaRecord)) first++;
    const baseTimestamp = records[first]?.timestamp ?? 0;
    let maxTimestamp = baseTimestamp;
    const refused: Refusal[] = [];
    let count = 0;
    let index = from;
    for (; index < records.length; index++) {
      const record = records[index] as KafkaRecord;
      const before = sink.at;
      const error = tryRecord(record, count, baseTimestamp);
      if (error) {
        refused.push({ index, error });
        continue;
      }
      if (sink.at - start > bytesMax && count > 0) {
        sink.at = before;
        break;
      }
      if (record.timestamp > maxTimestamp) maxTimestamp = record.timestamp;
      count++;
    }
    if (count === 0) {
      sink.at = start;
    } else {
      compress(start + headerBytes);
      writeHeader(start, { count, baseTimestamp, maxTimestamp }, stamp);
    }
    return { bytes: sink.buffer.subarray(start, sink.at), written: count, end: index, refused };
  }

  return {
    batch,
    reset: () => {
      sink.at = 0;
      if (sink.buffer.length > keptBytesMax) sink.buffer = Buffer.allocUnsafeSlow(initialBytes);
    },
    abandon: () => {
      sink.at = 0;
      sink.buffer = Buffer.allocUnsafeSlow(initialBytes);
    },
    position: () => sink.at,
    rewind: (position) => {
      sink.at = position;
    },
    int16(value) {
      reserve(sink, 2);
      sink.at = sink.buffer.writeInt16BE(value, sink.at);
    },
    int32(value) {
      reserve(sink, 4);
      sink.at = sink.buffer.writeInt32BE(value, sink.at);
    },
    patchInt32: (position, value) => void sink.buffer.writeInt32BE(value, position),
    string(value) {
      const start = sink.at;
      reserve(sink, 2);
      sink.at += 2;
      putText(sink, value);
      sink.buffer.writeInt16BE(sink.at - start - 2, start);
    },
    bytes: () => sink.buffer.subarray(0, sink.at),
  };
}

type Head = {
  readonly count: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
};
