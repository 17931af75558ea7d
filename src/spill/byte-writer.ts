import { taggedValue } from "../deadletter/packet-codec.ts";
import { JsonText, type Value } from "../flow/packet.ts";
import { TAG } from "./value-tags.ts";

/** Bytes that grow as they are written. Numbers are LEB128, in seven bits a byte. */
export type ByteWriter = {
  /** A whole number from 0 to 2^53 - 1. */
  count(value: number): void;
  byte(value: number): void;
  text(value: string): void;
  bytes(value: Uint8Array): void;
  /** Any value of a packet, with its tag. */
  value(value: Value): void;
  /** Forgets what an encoder that failed has left. */
  begin(): void;
  /** A copy of what was written since. */
  take(): Uint8Array;
};

/** Of a longer text the length in bytes is asked for, rather than room for the most it can be. */
const LONG = 1024;

const KEPT = 64 * 1024;
const KEPT_MAX = 4 * 2 ** 20;

export function createByteWriter(): ByteWriter {
  let buffer = Buffer.allocUnsafeSlow(KEPT);
  let at = 0;

  function room(bytes: number): void {
    if (at + bytes <= buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(buffer.length * 2, at + bytes));
    larger.set(buffer.subarray(0, at));
    buffer = larger;
  }

  function count(value: number): void {
    room(8);
    let rest = value;
    // Below 2^31 shifts do, and are quicker.
    while (rest > 0x7fff_ffff) {
      buffer[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    while (rest > 127) {
      buffer[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    buffer[at++] = rest;
  }

  /** Twice its length in bytes, and one more where it is not ASCII; then its UTF-8. */
  function text(value: string): void {
    const { length } = value;
    room((length > LONG ? Buffer.byteLength(value) : 3 * length) + 8);
    // Written once, where it will be if it is ASCII; else its length may need another byte.
    const guess = widthOf(2 * length);
    const size = buffer.write(value, at + guess);
    const head = size === length ? 2 * size : 2 * size + 1;
    const width = widthOf(head);
    if (width !== guess) buffer.copyWithin(at + width, at + guess, at + guess + size);
    count(head);
    at += size;
  }

  function bytes(value: Uint8Array): void {
    count(value.length);
    room(value.length);
    buffer.set(value, at);
    at += value.length;
  }

  function byte(value: number): void {
    room(1);
    buffer[at++] = value;
  }

  function tagged(tag: number, value: string): void {
    byte(tag);
    text(value);
  }

  function number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      byte(value < 0 ? TAG.negative : TAG.whole);
      count(Math.abs(value));
      return;
    }
    room(9);
    buffer[at] = TAG.float;
    buffer.writeDoubleLE(value, at + 1);
    at += 9;
  }

  function bigint(value: bigint): void {
    if (value >= 0n && value <= MOST) {
      byte(TAG.bigint);
      count(Number(value));
    } else tagged(TAG.bigintText, value.toString());
  }

  function object(value: object): void {
    if (value instanceof JsonText && value.text.isWellFormed()) tagged(TAG.json, value.text);
    else if (value instanceof Uint8Array) {
      byte(TAG.bytes);
      bytes(value);
    } else tagged(TAG.other, JSON.stringify(taggedValue(value)));
  }

  return {
    count,
    byte,
    text,
    bytes,
    value(value) {
      switch (typeof value) {
        case "string":
          // UTF-8 has no half of a pair; JSON has.
          if (value.isWellFormed()) tagged(TAG.text, value);
          else tagged(TAG.other, JSON.stringify(value));
          return;
        case "number":
          number(value);
          return;
        case "bigint":
          bigint(value);
          return;
        case "undefined":
          byte(TAG.undefined);
          return;
        default:
          if (value === null) byte(TAG.null);
          else object(value as object);
      }
    },
    begin() {
      at = 0;
      // One huge packet is no reason to keep so much for ever.
      if (buffer.length > KEPT_MAX) buffer = Buffer.allocUnsafeSlow(KEPT);
    },
    take: () => new Uint8Array(buffer.subarray(0, at)),
  };
}

const MOST = BigInt(Number.MAX_SAFE_INTEGER);

/** How many bytes a count takes, of those below 2^28. */
function widthOf(value: number): number {
  if (value < 128) return 1;
  if (value < 16_384) return 2;
  return value < 2_097_152 ? 3 : value < 268_435_456 ? 4 : 5;
}
