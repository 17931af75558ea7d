import { murmur2 } from "./murmur2.ts";
import type { Content } from "./port.ts";

const scratch = new Uint8Array(1024);
const encoder = new TextEncoder();

/** The bytes of a key; those of a short text are valid until the next call. */
function keyBytes(key: Uint8Array | string): Uint8Array {
  if (typeof key !== "string") return key;
  if (key.length * 3 > scratch.length) return encoder.encode(key);
  let length = 0;
  while (length < key.length) {
    const unit = key.charCodeAt(length);
    if (unit > 127) break;
    scratch[length++] = unit;
  }
  if (length === key.length) return scratch.subarray(0, length);
  return scratch.subarray(0, encoder.encodeInto(key, scratch).written);
}

/** The partition of a key as the Java client's default partitioner chooses it. */
export function partitionOf(key: Exclude<Content, null>, partitions: number): number {
  return (murmur2(keyBytes(key)) & 0x7fffffff) % partitions;
}
