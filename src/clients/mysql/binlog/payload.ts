import { Readable } from "node:stream";
import { createZstdDecompress, zstdDecompressSync } from "node:zlib";
import { DbusError } from "#src/errors.ts";
import { type Cursor, corrupt, packedInt, take, uint32 } from "./bytes.ts";
import type { BinlogEvent, EventHeader, SkippedEvent, TransactionPayloadEvent } from "./event.ts";

const field = { end: 0, size: 1, compression: 2, uncompressedSize: 3 };
const compression = { zstd: 0, none: 255 };

/** What is smaller is unpacked at once: a stream costs more than that. */
const streamedBytesMin = 1 << 20;
const streamChunkBytes = 1 << 18;
const headerBytes = 19;
/** Of an event that is passed over; none of these is smaller. */
const headKept = 64;

export type UnpackOptions = {
  readonly eventBytesMax: number;
  /** Whether a larger event is passed over, with what `decode` makes of its head. */
  readonly skips: boolean;
  /** Decodes one event out of the payload. */
  readonly decode: (event: Buffer | SkippedEvent, outer: EventHeader) => BinlogEvent;
};

/**
 * TRANSACTION_PAYLOAD: a list of `type:packed length:packed value:packed` up to type 0, then the
 * events of the transaction, compressed as one. What they come to is not bounded, and a large one
 * is unpacked while its events are taken; none of these may be larger than `eventBytesMax`.
 */
export function unpackTransaction(
  c: Cursor,
  header: EventHeader,
  options: UnpackOptions,
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
  if (method !== compression.none && method !== compression.zstd) {
    throw new DbusError("BINLOG_EVENT_UNSUPPORTED", `compression ${method} is unknown`);
  }
  const isStreamed = method === compression.zstd && size >= streamedBytesMin;
  const cut = (rest: Buffer) => cutEvents(rest, header, options);
  const events = isStreamed
    ? streamed(packed, size, cut, options.eventBytesMax)
    : atOnce(method === compression.none ? packed : decompress(packed, size), cut);
  return { kind: "transaction_payload", header, events };
}

/** What is left behind the whole events: bytes, or how many are still to be passed over. */
type Rest = { readonly bytes: Buffer; readonly skip: number };
type Cut = (bytes: Buffer) => Generator<BinlogEvent, Rest>;

/** The whole events at the head of `bytes`. */
function* cutEvents(
  bytes: Buffer,
  outer: EventHeader,
  { eventBytesMax, skips, decode }: UnpackOptions,
): Generator<BinlogEvent, Rest> {
  let start = 0;
  while (start + headerBytes <= bytes.length) {
    const size = uint32(bytes, start + 9);
    const end = start + size;
    if (size < headerBytes) throw corrupt("an event in a payload is smaller than its header");
    if (size > eventBytesMax) {
      if (!skips) throw tooLarge(size, eventBytesMax);
      if (start + headKept > bytes.length) break;
      const head = bytes.subarray(start, start + headKept);
      yield decode({ head, size, crc: undefined }, outer);
      if (end > bytes.length) return { bytes: bytes.subarray(0, 0), skip: end - bytes.length };
    } else {
      if (end > bytes.length) break;
      yield decode(bytes.subarray(start, end), outer);
    }
    start = end;
  }
  return { bytes: bytes.subarray(start), skip: 0 };
}

function* atOnce(bytes: Buffer, cut: Cut): Generator<BinlogEvent> {
  const rest = yield* cut(bytes);
  if (rest.bytes.length > 0 || rest.skip > 0) throw torn();
}

/** The checksum of the packed bytes was right, so what is wrong now was written wrong. */
async function* streamed(
  packed: Buffer,
  size: number,
  cut: Cut,
  eventBytesMax: number,
): AsyncGenerator<BinlogEvent> {
  let pieces: Buffer[] = [];
  let waiting = 0;
  /** How many bytes there must be before there is another whole event. */
  let wanted = headerBytes;
  let skip = 0;
  let total = 0;
  for await (const whole of unpacking(packed)) {
    total += whole.length;
    if (total > size) throw otherLength();
    const piece = whole.subarray(Math.min(skip, whole.length));
    skip -= whole.length - piece.length;
    pieces.push(piece);
    waiting += piece.length;
    if (waiting < wanted) continue;
    const rest = yield* cut(joined(pieces, waiting));
    pieces = [rest.bytes];
    waiting = rest.bytes.length;
    skip = rest.skip;
    const next = waiting < headerBytes ? headerBytes : uint32(rest.bytes, 9);
    wanted = next > eventBytesMax ? headKept : next;
  }
  if (total !== size) throw otherLength();
  if (waiting > 0 || skip > 0) throw torn();
}

function joined(pieces: readonly Buffer[], bytes: number): Buffer {
  const [only] = pieces;
  return pieces.length === 1 && only ? only : Buffer.concat(pieces, bytes);
}

async function* unpacking(packed: Buffer): AsyncGenerator<Buffer> {
  const stream = createZstdDecompress({ chunkSize: streamChunkBytes });
  const source = Readable.from(slices(packed), { objectMode: true, highWaterMark: 1 });
  source.on("error", (error) => stream.destroy(error));
  source.pipe(stream);
  try {
    for await (const piece of stream) yield piece as Buffer;
  } catch {
    throw cannotDecompress();
  } finally {
    source.destroy();
    stream.destroy();
  }
}

function* slices(packed: Buffer): Generator<Buffer> {
  const step = 1 << 16;
  for (let at = 0; at < packed.length; at += step) yield packed.subarray(at, at + step);
}

function decompress(packed: Buffer, size: number): Buffer {
  let events: Buffer;
  try {
    events = zstdDecompressSync(packed, { maxOutputLength: Math.max(1, size) });
  } catch {
    throw cannotDecompress();
  }
  if (events.length !== size) throw otherLength();
  return events;
}

function tooLarge(size: number, eventBytesMax: number): DbusError {
  const message = `an event in a compressed transaction has ${size} bytes`;
  return new DbusError("MYSQL_EVENT_TOO_LARGE", `${message}, more than ${eventBytesMax}`);
}

const torn = () => corrupt("a transaction payload ends in the midst of an event");
const otherLength = () => corrupt("a compressed transaction has another length inside");
const cannotDecompress = () => corrupt("a compressed transaction cannot be decompressed");
