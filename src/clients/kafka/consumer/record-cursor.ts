import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { DbusError } from "../../../errors.ts";
import { crc32c } from "../crc32c.ts";
import type { ReadHeader, ReadRecord } from "../port.ts";
import type { AbortedTransaction } from "../wire/fetch.ts";
import { lz4Frame } from "../wire/lz4.ts";
import { unsnappy } from "../wire/snappy.ts";
import { int64At } from "../wire/wire-reader.ts";

/*
 * The record batches of a Fetch answer, one after the other; the grammar of a batch is in
 * `producer/record-batch.ts`. The broker sends whole batches as they lie in its log, so the first
 * may begin before the offset that was asked for and the last may be cut off; a compacted log has
 * holes; batches of transactions are followed by a control batch that says how they ended.
 */
const headerBytes = 61;
/** Length, attributes and the parts before them: what a batch has at least. */
const lengthBytesMin = headerBytes - 12;
const controlBit = 32;
const transactionalBit = 16;
const logAppendTimeBit = 8;

/** Takes the records out of one partition's part of an answer, a piece at a time. */
export type RecordCursor = {
  /** Where to read on once all of it was taken: behind the last whole batch. */
  readonly next: number;
  /** Bytes of the answer that are not taken yet. */
  readonly bytesLeft: number;
  readonly done: boolean;
  /** Not one batch of it came whole. */
  readonly cut: boolean;
  /**
   * The next records, at most so many; none at the end. Throws `KAFKA_RECORD_CORRUPT` or
   * `KAFKA_UNSUPPORTED` at a batch that cannot be read, and again until `skip` passes it over.
   */
  take(countMax: number): readonly ReadRecord[];
  /** Passes over the batch that cannot be read; answers the offset at which reading goes on. */
  skip(): number;
};

export type CursorOptions = {
  /** Records before this one are not wanted. */
  readonly from: number;
  /** Transactions whose records are not to be read; empty where they are. */
  readonly aborted: readonly AbortedTransaction[];
  /** What the records of one batch may come to when they are decompressed. */
  readonly batchBytesMax: number;
};

type Batch = {
  readonly data: Buffer;
  readonly base: number;
  readonly baseTime: number;
  /** Of every record, where the broker stamps them. */
  readonly appendTime: number | undefined;
  at: number;
  left: number;
};

export function recordCursor(data: Buffer, options: CursorOptions): RecordCursor {
  const { from, batchBytesMax } = options;
  const next = nextOffset(data, from);
  const isAborted = abortedProducers(options.aborted);
  let at = 0;
  let batch: Batch | undefined;
  /** Where the batch at hand begins. */
  let started = 0;
  /** What was found behind records that were handed out first. */
  let failure: { readonly error: unknown } | undefined;

  /** Where the batch at hand ends; undefined when it is cut off. */
  function batchEnd(): number | undefined {
    if (at + headerBytes > data.length) return undefined;
    const end = at + 12 + data.readInt32BE(at + 8);
    return end > data.length ? undefined : end;
  }

  /** Goes on to the next batch that has records for us; false at the end. */
  function open(): boolean {
    for (let end = batchEnd(); end !== undefined; end = batchEnd()) {
      check(data, at, end);
      const attributes = data.readInt16BE(at + 21);
      const base = int64At(data, at);
      const last = base + data.readInt32BE(at + 23);
      const producer = data.readBigInt64BE(at + 43);
      const control = (attributes & controlBit) !== 0;
      const skipped = isAborted(producer, last, control, (attributes & transactionalBit) !== 0);
      if (!skipped && !control && last >= from) {
        const maxTime = int64At(data, at + 35);
        batch = {
          data: recordsOf(data.subarray(at + headerBytes, end), attributes & 7, batchBytesMax),
          base,
          baseTime: int64At(data, at + 27),
          appendTime: (attributes & logAppendTimeBit) !== 0 ? maxTime : undefined,
          at: 0,
          left: data.readInt32BE(at + 57),
        };
        started = at;
        at = end;
        return true;
      }
      at = end;
    }
    return false;
  }

  return {
    next,
    cut: batchEnd() === undefined,
    get bytesLeft() {
      return data.length - at + (batch ? batch.data.length - batch.at : 0);
    },
    get done() {
      return at >= data.length && batch === undefined && failure === undefined;
    },
    take(countMax) {
      if (failure) throw failure.error;
      const records: ReadRecord[] = [];
      try {
        while (records.length < countMax && (batch !== undefined || open())) {
          const current = batch as Batch;
          while (current.left > 0 && records.length < countMax) {
            const record = readRecord(current);
            if (record.offset >= from) records.push(record);
          }
          if (current.left === 0) batch = undefined;
        }
        if (batch === undefined && batchEnd() === undefined) at = data.length;
      } catch (error) {
        failure = { error };
        if (records.length === 0) throw error;
      }
      return records;
    },
    skip() {
      const last = batch === undefined ? at : started;
      if (batch === undefined) at = batchEnd() ?? data.length;
      batch = undefined;
      failure = undefined;
      const next = int64At(data, last) + data.readInt32BE(last + 23) + 1;
      return at + 8 <= data.length ? int64At(data, at) : next;
    },
  };
}

/** Behind the last batch that came whole; by the headers alone, so that more can be asked for. */
function nextOffset(data: Buffer, from: number): number {
  let next = from;
  for (let at = 0; at + headerBytes <= data.length; ) {
    const length = data.readInt32BE(at + 8);
    const end = at + 12 + length;
    if (length < lengthBytesMin || end > data.length || data[at + 16] !== 2) break;
    next = Math.max(next, int64At(data, at) + data.readInt32BE(at + 23) + 1);
    at = end;
  }
  return next;
}

function check(data: Buffer, at: number, end: number): void {
  const magic = data[at + 16];
  const base = int64At(data, at);
  if (magic !== 2) {
    const text = `the batch at offset ${base} has format ${magic}, which Kafka left in version 0.11`;
    throw new DbusError("KAFKA_UNSUPPORTED", text);
  }
  if (data.readInt32BE(at + 8) < lengthBytesMin) {
    throw corrupt(`the batch at offset ${base} has no room for its header`);
  }
  if (crc32c(data, at + 21, end) !== data.readUInt32BE(at + 17)) {
    throw corrupt(`the checksum of the batch at offset ${base} does not fit its bytes`);
  }
}

function corrupt(message: string): DbusError {
  return new DbusError("KAFKA_RECORD_CORRUPT", message);
}

/**
 * Follows the transactions of an answer: one that was aborted begins at its first offset and ends
 * with a control batch of its producer.
 */
function abortedProducers(aborted: readonly AbortedTransaction[]) {
  const waiting = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<bigint>();
  return (producer: bigint, last: number, control: boolean, transactional: boolean): boolean => {
    while (waiting.length > 0 && (waiting[0]?.firstOffset ?? 0) <= last) {
      open.add(waiting.shift()?.producerId ?? -1n);
    }
    if (control) open.delete(producer);
    return transactional && open.has(producer);
  };
}

function recordsOf(packed: Buffer, codec: number, bytesMax: number): Buffer {
  try {
    switch (codec) {
      case 0:
        return packed;
      case 1:
        return gunzipSync(packed, { maxOutputLength: bytesMax });
      case 2:
        return unsnappy(packed, bytesMax);
      case 3:
        return lz4Frame(packed, bytesMax);
      case 4:
        return zstdDecompressSync(packed, { maxOutputLength: bytesMax });
    }
  } catch (cause) {
    if (cause instanceof DbusError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DbusError("KAFKA_RECORD_CORRUPT", `a batch cannot be decompressed: ${why}`, {
      cause,
    });
  }
  throw new DbusError("KAFKA_UNSUPPORTED", `a batch has the unknown compression ${codec}`);
}

const noHeaders: readonly ReadHeader[] = [];

function readRecord(batch: Batch): ReadRecord {
  const { data } = batch;
  const length = varint(batch);
  const end = batch.at + length;
  if (length < 0 || end > data.length) throw corrupt("a record ends behind its batch");
  batch.at++;
  const timeDelta = varint(batch);
  const offset = batch.base + varint(batch);
  const key = content(batch, end);
  const value = content(batch, end);
  const count = varint(batch);
  let headers = noHeaders;
  if (count > 0) {
    if (count > end - batch.at) throw corrupt("a record holds more headers than bytes");
    const found: ReadHeader[] = [];
    for (let i = 0; i < count; i++) {
      const name = content(batch, end);
      found.push([name === null ? "" : name.toString("utf8"), content(batch, end)]);
    }
    headers = found;
  }
  if (batch.at > end) throw corrupt("a record is longer than it says");
  batch.at = end;
  batch.left--;
  return { offset, timestamp: batch.appendTime ?? batch.baseTime + timeDelta, key, value, headers };
}

function content(batch: Batch, end: number): Buffer | null {
  const length = varint(batch);
  if (length < 0) return null;
  const from = batch.at;
  batch.at = from + length;
  if (batch.at > end) throw corrupt("a field ends behind its record");
  return batch.data.subarray(from, batch.at);
}

/** A zigzag varint of at most 53 bits. */
function varint(batch: Batch): number {
  const { data } = batch;
  let byte = data[batch.at++];
  if (byte === undefined) throw corrupt("a record ends in a number");
  if (byte < 128) return (byte >>> 1) ^ -(byte & 1);
  let value = byte & 127;
  for (let scale = 128; ; scale *= 128) {
    byte = data[batch.at++];
    if (byte === undefined || scale > 2 ** 63) throw corrupt("a record ends in a number");
    value += (byte & 127) * scale;
    if (byte < 128) break;
  }
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}
