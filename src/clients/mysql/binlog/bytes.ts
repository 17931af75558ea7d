import { DbusError } from "#src/errors.ts";

declare global {
  interface Buffer {
    /** Node's own fast paths behind `toString`, without its look at the arguments. */
    utf8Slice(start: number, end: number): string;
    latin1Slice(start: number, end: number): string;
  }
}

const scratch = new Uint8Array(8);
const asInt64 = new BigInt64Array(scratch.buffer);
const asUint64 = new BigUint64Array(scratch.buffer);
const asDouble = new Float64Array(scratch.buffer);
const asFloat = new Float32Array(scratch.buffer);

export function corrupt(what: string): DbusError {
  return new DbusError("BINLOG_CORRUPT", what);
}

function load8(b: Uint8Array, p: number): void {
  for (let i = 0; i < 8; i++) scratch[i] = b[p + i]!;
}

export function int64(b: Uint8Array, p: number): bigint {
  load8(b, p);
  return asInt64[0]!;
}

export function uint64(b: Uint8Array, p: number): bigint {
  load8(b, p);
  return asUint64[0]!;
}

export function double(b: Uint8Array, p: number): number {
  load8(b, p);
  return asDouble[0]!;
}

/**
 * The number whose shortest spelling is that of the FLOAT: 0.1 stays 0.1, where plain widening to
 * a double makes 0.10000000149011612 of it. Nine digits always name a float exactly.
 */
export function float(b: Uint8Array, p: number): number {
  for (let i = 0; i < 4; i++) scratch[i] = b[p + i]!;
  const wide = asFloat[0]!;
  if (Math.abs(wide) < 16_777_216 && Number.isInteger(wide)) return wide;
  // Six digits survive in any float but the smallest, so that fewer are found among the six.
  const least = Math.abs(wide) < 1.2e-38 ? 1 : 6;
  for (let digits = least; digits < 9; digits++) {
    const short = Number(wide.toPrecision(digits));
    if (Math.fround(short) === wide) return short;
  }
  return Number(wide.toPrecision(9));
}

export function uint16(b: Uint8Array, p: number): number {
  return b[p]! | (b[p + 1]! << 8);
}

export function uint32(b: Uint8Array, p: number): number {
  return (b[p]! | (b[p + 1]! << 8) | (b[p + 2]! << 16) | (b[p + 3]! << 24)) >>> 0;
}

/** Six bytes: table ids. */
export function uint48(b: Uint8Array, p: number): number {
  return uint32(b, p) + uint16(b, p + 4) * 4_294_967_296;
}

/** A piece of its own: a view would keep the whole chunk alive. */
export function copyOf(b: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(b.subarray(start, end));
}

/** Reads on from a place, and never beyond `end`. */
export type Cursor = { readonly bytes: Buffer; at: number; readonly end: number };

/** Moves on by `count` bytes and says where they begin. Throws BINLOG_CORRUPT beyond the end. */
export function take(c: Cursor, count: number): number {
  const at = c.at;
  if (!(count >= 0 && at + count <= c.end)) throw corrupt("an event ends in the midst of a field");
  c.at = at + count;
  return at;
}

/** MySQL's length-encoded integer, as far as it fits a JS number. */
export function packedInt(c: Cursor): number {
  const first = c.bytes[take(c, 1)]!;
  if (first < 251) return first;
  if (first === 252) return uint16(c.bytes, take(c, 2));
  if (first === 253) {
    const at = take(c, 3);
    return uint16(c.bytes, at) | (c.bytes[at + 2]! << 16);
  }
  if (first !== 254) throw corrupt("a length is not a length-encoded integer");
  const wide = Number(uint64(c.bytes, take(c, 8)));
  if (!Number.isSafeInteger(wide)) throw corrupt("a length is beyond all bounds");
  return wide;
}
