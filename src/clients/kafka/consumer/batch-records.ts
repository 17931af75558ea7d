import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { DbusError } from "../../../errors.ts";
import type { ReadHeader, ReadRecord } from "../port.ts";
import { lz4Frame } from "../wire/lz4.ts";
import { unsnappy } from "../wire/snappy.ts";

/** A batch that is open: its records unpacked, and which of them is next. */
export type OpenBatch = {
  readonly data: Buffer;
  readonly base: number;
  readonly last: number;
  /** No record that comes now may be before it. */
  next: number;
  readonly baseTime: number;
  /** Of every record, where the broker stamps them. */
  readonly appendTime: number | undefined;
  at: number;
  left: number;
};

export function corrupt(message: string): DbusError {
  return new DbusError("KAFKA_RECORD_CORRUPT", message);
}

/** What the records of a batch come to without their compression. */
export function unpack(packed: Buffer, codec: number, bytesMax: number): Buffer {
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

/** The next record. Throws `KAFKA_RECORD_CORRUPT`. */
export function readRecord(batch: OpenBatch): ReadRecord {
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
  if (!(offset >= batch.next && offset <= batch.last)) {
    throw corrupt(`a record says that it is at offset ${offset}, out of its order or its batch`);
  }
  batch.next = offset + 1;
  batch.at = end;
  if (--batch.left === 0 && end < data.length) {
    throw corrupt("a batch holds more than the records that it says");
  }
  return { offset, timestamp: batch.appendTime ?? batch.baseTime + timeDelta, key, value, headers };
}

function content(batch: OpenBatch, end: number): Buffer | null {
  const length = varint(batch);
  if (length < 0) return null;
  const from = batch.at;
  batch.at = from + length;
  if (batch.at > end) throw corrupt("a field ends behind its record");
  return batch.data.subarray(from, batch.at);
}

/** A zigzag varint of at most 53 bits. */
function varint(batch: OpenBatch): number {
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
