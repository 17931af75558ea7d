import type { FileHandle } from "node:fs/promises";

const CHUNK = 64 * 1024;
/** A last line above this is not looked at for being whole. */
const WHOLE_MAX = 16 * 1024 * 1024;

export type Tail = {
  /** Offset behind the last line end, in bytes. */
  readonly wholeBytes: number;
  /** Whether what stands behind it is a line that lacks nothing but its end. */
  readonly onlyEndMissing: boolean;
};

/**
 * What a process that was killed while it wrote has left at the end of a file: undefined when the
 * file is empty or ends with a line end.
 */
export async function tornTail(file: FileHandle, size: number): Promise<Tail | undefined> {
  const chunk = Buffer.alloc(CHUNK);
  let end = size;
  while (end > 0) {
    const begin = Math.max(0, end - CHUNK);
    const { bytesRead } = await file.read(chunk, 0, end - begin, begin);
    const at = chunk.subarray(0, bytesRead).lastIndexOf(10);
    if (at >= 0) {
      const wholeBytes = begin + at + 1;
      return wholeBytes === size ? undefined : await tailFrom(file, wholeBytes, size);
    }
    end = begin;
  }
  return size === 0 ? undefined : await tailFrom(file, 0, size);
}

async function tailFrom(file: FileHandle, from: number, size: number): Promise<Tail> {
  const length = size - from;
  if (length > WHOLE_MAX) return { wholeBytes: from, onlyEndMissing: false };
  const line = Buffer.alloc(length);
  await file.read(line, 0, length, from);
  return { wholeBytes: from, onlyEndMissing: isWholeJson(line) };
}

/** A number that is cut off is still a number, so only what has a closing mark counts as whole. */
function isWholeJson(line: Buffer): boolean {
  if (!/^[{["].*[}\]"]$/s.test(line.toString("latin1"))) return false;
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
    return true;
  } catch {
    return false;
  }
}

export async function countLines(file: FileHandle, size: number): Promise<number> {
  const chunk = Buffer.alloc(CHUNK);
  let count = 0;
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK, at);
    if (bytesRead === 0) break;
    for (let i = 0; i < bytesRead; i++) if (chunk[i] === 10) count++;
    at += bytesRead;
  }
  return count;
}
