import { DbusError } from "../../errors.ts";
import { type Message, type MessageSkipper, skipMessage } from "./skipped-message.ts";

/*
 * The framing of the MySQL client/server protocol ("Protocol Basics" of the MySQL source docs):
 *
 *   packet  = length:u24le sequence:u8 payload[length]
 *   message = (packet of length 0xffffff)* packet of a smaller length, maybe 0
 *
 * The sequence counts all packets after a command, modulo 256.
 */

const partMax = 0xffffff;
const headerBytes = 4;
/** Of a message that may tell its size. */
const headBytes = 14;

export type PacketReader = {
  /**
   * Takes the next bytes off the wire, cut anywhere, and appends every message that they complete
   * to `out`. A message is a view on `chunk` when it lies in it whole, else a buffer of its own.
   * Throws MYSQL_PROTOCOL, MYSQL_EVENT_TOO_LARGE, and BINLOG_CORRUPT for a length that `sizeOf`
   * does not bear out; after that the reader is of no use.
   */
  push(chunk: Uint8Array, out: Message[]): void;
  /** Bytes of unfinished messages that it holds. */
  readonly pendingBytes: number;
};

export type PacketReaderOptions = {
  /** No message may be longer; nothing of that size is ever allocated. */
  readonly bytesMax: number;
  /** A longer one is let go of as it comes, and only its head handed out, instead of a throw. */
  readonly skipLonger?: boolean;
  /** Of the first packet: 1 after a command. */
  readonly sequence: number;
  /**
   * The length of the message at `at`, as it says it itself in its first 14 bytes, all of them
   * there; undefined when it does not. Nothing checks the length of a packet: when one that came
   * wrong is too large, we would wait for what never comes while the server goes on.
   */
  readonly sizeOf?: (bytes: Uint8Array, at: number) => number | undefined;
};

export function createPacketReader(options: PacketReaderOptions): PacketReader {
  let sequence = options.sequence & 0xff;
  const header = new Uint8Array(headerBytes);
  let headerFill = 0;
  /** Of the packet being read: bytes to come. Only with a message under way. */
  let partLeft = 0;
  let partIsLast = true;
  let message: MessageBuffer | undefined;

  /** Of the packet whose header is complete. Checks its sequence. */
  function partLength(b0: number, b1: number, b2: number, seen: number): number {
    if (seen !== sequence) {
      throw new DbusError("MYSQL_PROTOCOL", `packet ${seen} came where ${sequence} was due`);
    }
    sequence = (sequence + 1) & 0xff;
    return b0 | (b1 << 8) | (b2 << 16);
  }

  function beginPart(length: number) {
    message ??= messageBuffer(options);
    partLeft = length;
    partIsLast = length < partMax;
    message.expect(length, partIsLast);
  }

  /** Copies what `chunk` has from `at` of the packet being read; returns where it ends. */
  function fillPart(chunk: Uint8Array, at: number, out: Message[]): number {
    const end = Math.min(chunk.length, at + partLeft);
    message!.append(chunk, at, end);
    partLeft -= end - at;
    if (partLeft === 0 && partIsLast) {
      out.push(message!.take());
      message = undefined;
    }
    return end;
  }

  /** Bytes of a header that is cut by the end of a chunk. */
  function fillHeader(chunk: Uint8Array, at: number, out: Message[]): number {
    while (headerFill < headerBytes && at < chunk.length) header[headerFill++] = chunk[at++]!;
    if (headerFill < headerBytes) return at;
    headerFill = 0;
    beginPart(partLength(header[0]!, header[1]!, header[2]!, header[3]!));
    return fillPart(chunk, at, out);
  }

  /** The case that nearly every event is: header and payload lie in the chunk. */
  function wholePackets(chunk: Uint8Array, from: number, out: Message[]): number {
    let at = from;
    while (chunk.length - at >= headerBytes) {
      const length = partLength(chunk[at]!, chunk[at + 1]!, chunk[at + 2]!, chunk[at + 3]!);
      at += headerBytes;
      const end = at + length;
      if (length === partMax || end > chunk.length || length > options.bytesMax) {
        beginPart(length);
        return fillPart(chunk, at, out);
      }
      if (options.sizeOf && length >= headBytes) checkSize(options.sizeOf(chunk, at), length, true);
      out.push(chunk.subarray(at, end));
      at = end;
    }
    return at;
  }

  return {
    push(chunk, out) {
      let at = 0;
      while (at < chunk.length) {
        if (partLeft > 0) at = fillPart(chunk, at, out);
        else if (headerFill > 0 || message) at = fillHeader(chunk, at, out);
        else {
          at = wholePackets(chunk, at, out);
          if (partLeft === 0 && !message && at < chunk.length) at = fillHeader(chunk, at, out);
        }
      }
    },
    get pendingBytes() {
      return message ? message.length : headerFill;
    },
  };
}

/** Of a message whose packets announce so many bytes, all of them when it is `complete`. */
function checkSize(told: number | undefined, announced: number, complete: boolean): void {
  if (told === undefined || (complete ? told === announced : told >= announced)) return;
  const more = complete ? "" : " and more";
  const what = `an event says that it takes ${told} bytes, its packets ${announced}${more}`;
  throw new DbusError("BINLOG_CORRUPT", what);
}

type MessageBuffer = {
  /** A packet of so many bytes follows. Throws before it allocates when that is too much. */
  expect(bytes: number, last: boolean): void;
  append(chunk: Uint8Array, from: number, to: number): void;
  take(): Message;
  readonly length: number;
};

/** Grows to what `sizeOf` tells when the message has several packets, else to the one's length. */
function messageBuffer(options: PacketReaderOptions): MessageBuffer {
  let buffer: Uint8Array = new Uint8Array(0);
  let skipper: MessageSkipper | undefined;
  let length = 0;
  let announced = 0;
  let complete = false;
  /** The size that the message tells, as soon as its head is there. */
  let told: number | undefined;
  const grow = (capacity: number) => {
    const larger = Buffer.allocUnsafeSlow(Math.min(capacity, options.bytesMax));
    larger.set(buffer.subarray(0, length));
    buffer = larger;
  };
  /** From here on nothing of it is kept. */
  const skip = () => {
    if (options.skipLonger !== true) {
      const limit = `${options.bytesMax} bytes`;
      throw new DbusError("MYSQL_EVENT_TOO_LARGE", `an event is larger than ${limit}`);
    }
    skipper = skipMessage();
    if (length > 0) skipper.append(buffer.subarray(0, length));
    buffer = new Uint8Array(0);
  };
  return {
    expect(bytes, last) {
      announced += bytes;
      complete = last;
      checkSize(told, announced, complete);
      if (announced > options.bytesMax && !skipper) skip();
      if (skipper || announced <= buffer.length) return;
      const doubled = last ? 0 : Math.min(announced * 2, announced + 64 * 2 ** 20);
      grow(Math.max(announced, told ?? 0, length > 0 ? doubled : 0));
    },
    append(chunk, from, to) {
      const part = chunk.subarray(from, to);
      if (skipper) skipper.append(part);
      else buffer.set(part, length);
      const isHead = length < headBytes && length + to - from >= headBytes;
      length += to - from;
      if (!isHead || !options.sizeOf) return;
      told = options.sizeOf(skipper?.head ?? buffer, 0);
      checkSize(told, announced, complete);
      if (told !== undefined && told > options.bytesMax && !skipper) skip();
    },
    take() {
      if (skipper) return skipper.take();
      return length === buffer.length ? buffer : buffer.subarray(0, length);
    },
    get length() {
      return length;
    },
  };
}
