import { zstdDecompressSync } from "node:zlib";
import { DbusError } from "#src/errors.ts";
import { type Cursor, corrupt, packedInt, take, uint32 } from "./bytes.ts";
import type { BinlogEvent, EventHeader, TransactionPayloadEvent } from "./event.ts";

const field = { end: 0, size: 1, compression: 2, uncompressedSize: 3 };
const compression = { zstd: 0, none: 255 };

/**
 * TRANSACTION_PAYLOAD: a list of `type:packed length:packed value:packed` up to type 0, then the
 * events of the transaction, compressed as one. `bytesMax` bounds what they may come to.
 */
export function unpackTransaction(
  c: Cursor,
  header: EventHeader,
  bytesMax: number,
  decode: (event: Buffer, outer: EventHeader) => BinlogEvent,
): TransactionPayloadEvent {
  let packedSize = 0;
  let method = compression.none;
  let size = 0;
  for (let kind = packedInt(c); kind !== field.end; kind = packedInt(c)) {
    const length = packedInt(c);
    const at = take(c, length);
    const value = packedInt({ bytes: c.bytes, at, end: at + length });
    if (kind === field.size) packedSize = value;
    if (kind === field.compression) method = value;
    if (kind === field.uncompressedSize) size = value;
  }
  const at = take(c, packedSize);
  const packed = c.bytes.subarray(at, at + packedSize);
  const events = unpack(packed, method, size, bytesMax);
  return { kind: "transaction_payload", header, events: { [Symbol.iterator]: each } };

  function* each(): Generator<BinlogEvent> {
    for (let start = 0; start < events.length; ) {
      const length = start + 19 <= events.length ? uint32(events, start + 9) : 0;
      if (length < 19 || start + length > events.length) {
        throw corrupt("a transaction payload ends in the midst of an event");
      }
      yield decode(events.subarray(start, start + length), header);
      start += length;
    }
  }
}

function unpack(packed: Buffer, method: number, size: number, bytesMax: number): Buffer {
  if (method === compression.none) return packed;
  if (method !== compression.zstd) {
    throw new DbusError("BINLOG_EVENT_UNSUPPORTED", `compression ${method} is unknown`);
  }
  if (size > bytesMax) {
    const message = `a compressed transaction holds ${size} bytes, more than ${bytesMax}`;
    throw new DbusError("MYSQL_EVENT_TOO_LARGE", message);
  }
  const events = decompress(packed, size);
  if (events.length !== size) throw corrupt("a compressed transaction has another length inside");
  return events;
}

function decompress(packed: Buffer, size: number): Buffer {
  try {
    return zstdDecompressSync(packed, { maxOutputLength: Math.max(1, size) });
  } catch {
    throw corrupt("a compressed transaction cannot be decompressed");
  }
}
