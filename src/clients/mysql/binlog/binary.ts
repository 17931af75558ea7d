import { copyOf, corrupt, uint16, uint32 } from "./bytes.ts";
import type { FixedReader, SizedReader } from "./row-codec.ts";

/** Bytes as they are, in an array of their own. */
export const readBytes: SizedReader = copyOf;

/** BINARY(n): the binlog leaves trailing zero bytes out, the value has them. */
export function paddedBytesReader(length: number): SizedReader {
  return (b, start, end) => {
    if (end - start > length) throw corrupt("a BINARY is longer than its column");
    const bytes = new Uint8Array(length);
    bytes.set(b.subarray(start, end));
    return bytes;
  };
}

const small = Array.from({ length: 256 }, (_, i) => BigInt(i));

/** BIT(n): big-endian, always a bigint. */
export function bitReader(bytes: number): FixedReader {
  if (bytes === 1) return (b, p) => small[b[p]!]!;
  return (b, p) => {
    let high = 0;
    for (let i = 0; i < bytes - 4; i++) high = high * 256 + b[p + i]!;
    let low = 0;
    for (let i = Math.max(0, bytes - 4); i < bytes; i++) low = low * 256 + b[p + i]!;
    return high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low);
  };
}

/** ENUM by name; index 0 is the empty string that MySQL stores for what was no member. */
export function enumReader(members: readonly string[], bytes: number): FixedReader {
  return (b, p) => {
    const index = bytes === 1 ? b[p]! : uint16(b, p);
    if (index === 0) return "";
    const member = members[index - 1];
    if (member === undefined) throw corrupt("an ENUM has no such member");
    return member;
  };
}

/** SET as its members' names with commas between, in the order of the definition. */
export function setReader(members: readonly string[], bytes: number): FixedReader {
  const low = members.slice(0, 32);
  const high = members.slice(32);
  return (b, p) => {
    const raw = [0, 0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < bytes; i++) raw[i] = b[p + i]!;
    const names = namesOf(low, uint32(Uint8Array.from(raw), 0));
    names.push(...namesOf(high, uint32(Uint8Array.from(raw), 4)));
    return names.join(",");
  };
}

function namesOf(members: readonly string[], bits: number): string[] {
  if (members.length < 32 && bits >= 2 ** members.length) {
    throw corrupt("a SET has no such member");
  }
  return members.filter((_, i) => (bits >>> i) & 1);
}
