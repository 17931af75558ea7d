import { murmur2 } from "./murmur2.ts";
import type { Content } from "./port.ts";

const scratch = new Uint8Array(1024);
const encoder = new TextEncoder();

/** The murmur2 of the UTF-8 of a text. */
export function hashOf(text: string): number {
  const { length } = text;
  if (length * 3 > scratch.length) return murmur2(encoder.encode(text));
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 127) return murmur2(scratch, encoder.encodeInto(text, scratch).written);
    scratch[i] = unit;
  }
  return murmur2(scratch, length);
}

/** The partition of a key as the Java client's default partitioner chooses it. */
export function partitionOf(key: Exclude<Content, null>, partitions: number): number {
  const hash = typeof key === "string" ? hashOf(key) : murmur2(key);
  return (hash & 0x7fffffff) % partitions;
}
