import { untaggedValue } from "../deadletter/packet-codec.ts";
import { DbusError } from "../errors.ts";
import { JsonText, type Value } from "../flow/packet.ts";
import { TAG } from "./value-tags.ts";

/** Reads what a `ByteWriter` has written. Throws `SPILL_DAMAGED` where it cannot have been that. */
export type ByteReader = {
  readonly done: boolean;
  count(): number;
  byte(): number;
  text(): string;
  /** A copy: a part of the record would keep all of it in memory. */
  bytes(): Uint8Array;
  value(): Value;
};

export function createByteReader(of: Uint8Array): ByteReader {
  const buffer = Buffer.from(of.buffer, of.byteOffset, of.byteLength);
  const end = buffer.length;
  let at = 0;

  function byte(): number {
    if (at >= end) throw damaged();
    return buffer[at++] as number;
  }

  function count(): number {
    const first = byte();
    if (first < 128) return first;
    let value = first & 127;
    for (let unit = 128; ; unit *= 128) {
      const next = byte();
      value += (next & 127) * unit;
      if (next < 128) break;
      if (unit > 2 ** 49) throw damaged();
    }
    if (!Number.isSafeInteger(value)) throw damaged();
    return value;
  }

  /** Steps over so many bytes, and answers where they begin. */
  function step(length: number): number {
    const from = at;
    if (length > end - from) throw damaged();
    at = from + length;
    return from;
  }

  function text(): string {
    const head = count();
    const from = step(Math.floor(head / 2));
    // What is known to be ASCII need not be looked at once more.
    return buffer.toString(head % 2 === 0 ? "latin1" : "utf8", from, at);
  }

  function bytes(): Uint8Array {
    const from = step(count());
    return new Uint8Array(buffer.subarray(from, at));
  }

  function float(): number {
    if (end - at < 8) throw damaged();
    at += 8;
    return buffer.readDoubleLE(at - 8);
  }

  return {
    get done() {
      return at === end;
    },
    count,
    byte,
    text,
    bytes,
    value() {
      switch (byte()) {
        case TAG.null:
          return null;
        case TAG.undefined:
          return undefined;
        case TAG.whole:
          return count();
        case TAG.negative:
          return -count();
        case TAG.float:
          return float();
        case TAG.text:
          return text();
        case TAG.bytes:
          return bytes();
        case TAG.bigint:
          return BigInt(count());
        case TAG.bigintText:
          return BigInt(text());
        case TAG.json:
          return new JsonText(text());
        case TAG.other:
          return untaggedValue(JSON.parse(text())) as Value;
        default:
          throw damaged();
      }
    },
  };
}

function damaged(): DbusError {
  return new DbusError("SPILL_DAMAGED", "a record of a buffer cannot be read");
}
