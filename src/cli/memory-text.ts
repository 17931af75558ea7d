import type { MemoryBound } from "../config/memory-bound.ts";
import { bytesText } from "./text.ts";

/** The bound and what it is made of, for people. */
export function memoryText({ bytes, largeBytes, parts }: MemoryBound): string {
  const large = largeBytes > 0 ? `; ${bytesText(bytes - largeBytes)} without a large packet` : "";
  const lines = parts.map((part) => `    ${bytesText(part.bytes).padStart(9)}  ${part.what}\n`);
  return `memory: at most ${bytesText(bytes)}${large}\n${lines.join("")}`;
}
