import { DbusError } from "../../../errors.ts";
import { crc32c } from "../crc32c.ts";
import type { ReadRecord } from "../port.ts";
import type { AbortedTransaction } from "../wire/fetch.ts";
import { int64At } from "../wire/wire-reader.ts";
import { corrupt, type OpenBatch, readRecord, unpack } from "./batch-records.ts";

/*
 * The record batches of a Fetch answer, one after the other; the grammar of a batch is in
 * `producer/record-batch.ts`. The broker sends whole batches as they lie in its log, so the first
 * may begin before the offset that was asked for and the last may be cut off; a compacted log has
 * holes; batches of transactions are followed by a control batch that says how they ended.
 */
const headerBytes = 61;
/** As far as the byte that says the format, which stands there in all of them. */
const magicAt = 16;
/** Length, attributes and the parts before them: what a batch has at least. */
const lengthBytesMin = headerBytes - 12;
const controlBit = 32;
const transactionalBit = 16;
const logAppendTimeBit = 8;

/** Takes the records out of one partition's part of an answer, a piece at a time. */
export type RecordCursor = {
  /** Where to read on once all of it was taken: behind the last whole batch. */
  readonly next: number;
  /** Under which leader the last whole batch was written; -1 without one. */
  readonly epoch: number;
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
  /**
   * Passes over the batch that cannot be read, of which everything before `handed` was handed out.
   * Answers where reading goes on: behind `handed`, and never behind what may be another batch.
   */
  skip(handed: number): number;
};

export type CursorOptions = {
  /** Records before this one are not wanted. */
  readonly from: number;
  /** Transactions whose records are not to be read; empty where they are. */
  readonly aborted: readonly AbortedTransaction[];
  /** What the records of one batch may come to when they are decompressed. */
  readonly batchBytesMax: number;
};

export function recordCursor(data: Buffer, options: CursorOptions): RecordCursor {
  const { from, batchBytesMax } = options;
  const { next, epoch } = endOf(data, from);
  const isAborted = abortedProducers(options.aborted);
  let at = 0;
  let batch: OpenBatch | undefined;
  /** Where the batch at hand begins. */
  let started = 0;
  /** The last offset of the batch before it. */
  let before = -1;
  /** What was found behind records that were handed out first. */
  let failure: { readonly error: unknown } | undefined;

  /** Goes on to the next batch that has records for us; false at the end. */
  function open(): boolean {
    for (let end = batchEnd(data, at); end !== undefined; end = batchEnd(data, at)) {
      const { base, last } = check(data, at, end);
      if (base <= before) throw corrupt(`the batch at offset ${base} comes behind ${before}`);
      before = last;
      const attributes = data.readInt16BE(at + 21);
      const producer = data.readBigInt64BE(at + 43);
      const control = (attributes & controlBit) !== 0;
      const skipped = isAborted(producer, last, control, (attributes & transactionalBit) !== 0);
      if (!skipped && !control && last >= from) {
        const maxTime = int64At(data, at + 35);
        batch = {
          data: unpack(data.subarray(at + headerBytes, end), attributes & 7, batchBytesMax),
          base,
          last,
          next: base,
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
    epoch,
    cut: batchEnd(data, 0) === undefined,
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
          const current = batch as OpenBatch;
          while (current.left > 0 && records.length < countMax) {
            const record = readRecord(current);
            if (record.offset >= from) records.push(record);
          }
          if (current.left === 0) batch = undefined;
        }
        if (batch === undefined && batchEnd(data, at) === undefined) at = data.length;
      } catch (error) {
        failure = { error };
        if (records.length === 0) throw error;
      }
      return records;
    },
    skip(handed) {
      const bad = batch === undefined ? at : started;
      const end = batch === undefined ? batchEnd(data, at) : at;
      const behind = behindBatch(data, bad, end, handed);
      // Without a length to believe nothing behind it can be found in this answer.
      at = end === undefined || end <= bad ? data.length : end;
      batch = undefined;
      failure = undefined;
      return behind;
    },
  };
}

/** Where a batch ends; undefined when it is cut off. Only its own word for it, below zero too. */
function batchEnd(data: Buffer, at: number): number | undefined {
  if (at + magicAt >= data.length) return undefined;
  if (data[at + magicAt] === 2 && at + headerBytes > data.length) return undefined;
  const end = at + 12 + data.readInt32BE(at + 8);
  return end > data.length ? undefined : end;
}

/**
 * Where reading goes on behind a batch that cannot be read. The next batch says it, if that one is
 * whole; else the header of this one, which may be what is wrong: of the two numbers in it that
 * tell how many offsets it has the smaller one is taken, so that nothing else is passed over.
 */
function behindBatch(data: Buffer, bad: number, end: number | undefined, handed: number): number {
  const base = int64At(data, bad);
  if (end !== undefined && end > bad) {
    const next = baseOfWhole(data, end);
    if (next !== undefined && next > Math.max(base, handed - 1)) return next;
  }
  const isKnown = data[bad + magicAt] === 2 && bad + headerBytes <= data.length;
  const counts = isKnown ? [data.readInt32BE(bad + 57), data.readInt32BE(bad + 23) + 1] : [1];
  const said = counts
    .map((count) => base + count)
    .filter((offset) => offset > handed && Number.isSafeInteger(offset));
  return said.length === 0 ? handed + 1 : Math.min(...said);
}

/** The first offset of a batch that can be read; undefined when there is none. */
function baseOfWhole(data: Buffer, at: number): number | undefined {
  const end = batchEnd(data, at);
  try {
    return end === undefined ? undefined : check(data, at, end).base;
  } catch {
    return undefined;
  }
}

/** Behind the last batch that came whole; by the headers alone, so that more can be asked for. */
function endOf(data: Buffer, from: number): { next: number; epoch: number } {
  let next = from;
  let epoch = -1;
  for (let at = 0; at + headerBytes <= data.length; ) {
    const length = data.readInt32BE(at + 8);
    const end = at + 12 + length;
    if (length < lengthBytesMin || end > data.length || data[at + magicAt] !== 2) break;
    next = Math.max(next, int64At(data, at) + data.readInt32BE(at + 23) + 1);
    epoch = data.readInt32BE(at + 12);
    at = end;
  }
  return { next, epoch };
}

/** The first and the last offset of a batch. Throws when it is damaged or contradicts itself. */
function check(data: Buffer, at: number, end: number): { base: number; last: number } {
  const magic = data[at + magicAt];
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
  const last = base + data.readInt32BE(at + 23);
  const count = data.readInt32BE(at + 57);
  // A compacted batch has fewer records than offsets, and an empty one none.
  if (last < base || count < 0 || count > last - base + 1 || !Number.isSafeInteger(last)) {
    throw corrupt(`the batch at offset ${base} says that it holds ${count} records up to ${last}`);
  }
  return { base, last };
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
