import type { FileHandle } from "node:fs/promises";
import type { Log } from "#plugin";

const BLOCK = 64 * 1024;
/** A tail without a line end that is longer than this is not taken for a torn line. */
const TAIL_MAX = 64 << 20;

/**
 * Makes sure that the file ends with a whole line, and answers its size then. A line that was torn
 * by the end of a process was never acknowledged and comes again, so it is cut off; a tail that is
 * whole JSON, or too long to be one of our lines, only gets its line end.
 */
export async function mendTail(
  file: FileHandle,
  size: number,
  path: string,
  log: Log,
): Promise<number> {
  const start = await tailStart(file, size);
  if (start === size) return size;
  if (start !== undefined) {
    const tail = Buffer.alloc(size - start);
    await file.read(tail, 0, tail.length, start);
    if (!isJson(tail)) {
      await file.truncate(start);
      log.warn("cut off a line that was torn", { path, bytes: tail.length });
      return start;
    }
  }
  await file.write("\n");
  return size + 1;
}

/** Where the last, unended line begins; `size` if there is none, undefined if it is too long. */
async function tailStart(file: FileHandle, size: number): Promise<number | undefined> {
  for (let end = size; end > 0 && size - end < TAIL_MAX; ) {
    const from = Math.max(0, end - BLOCK);
    const block = Buffer.alloc(end - from);
    await file.read(block, 0, block.length, from);
    const found = block.lastIndexOf(10);
    if (found !== -1) return from + found + 1;
    end = from;
  }
  return size < TAIL_MAX ? 0 : undefined;
}

function isJson(tail: Buffer): boolean {
  try {
    const value: unknown = JSON.parse(tail.toString());
    // The start of a number is a number too.
    return typeof value !== "number";
  } catch {
    return false;
  }
}
