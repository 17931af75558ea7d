import { open } from "node:fs/promises";
import type { SpillRecord } from "./spill-log.ts";
import { decodeRecord, HEAD, headAt, nextMark } from "./spill-record.ts";

/** Reads a segment from its beginning. Damaged places are left out: what is behind them is read. */
export type SegmentReader = {
  /** The next whole record before `end`, a place in the file; undefined when there is none. */
  next(end: number): Promise<SpillRecord | undefined>;
  close(): Promise<void>;
};

/** How much is looked at for a mark at once. */
const CHUNK = 64 * 1024;

export async function openSegment(path: string): Promise<SegmentReader> {
  const file = await open(path, "r");
  let at = 0;

  async function bytesAt(from: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length);
    let got = 0;
    while (got < length) {
      const { bytesRead } = await file.read(buffer, got, length - got, from + got);
      if (bytesRead === 0) break;
      got += bytesRead;
    }
    return buffer.subarray(0, got);
  }

  async function recordAt(from: number, end: number): Promise<[SpillRecord, number] | undefined> {
    if (from + HEAD > end) return undefined;
    const head = headAt(await bytesAt(from, HEAD), 0);
    // A length that leads past the end is no reason to allocate so much.
    if (!head || from + head.size > end) return undefined;
    const bytes = await bytesAt(from, head.size);
    const record = bytes.length === head.size ? decodeRecord(bytes) : undefined;
    return record && [record, from + head.size];
  }

  async function markFrom(from: number, end: number): Promise<number> {
    for (let start = from; start + HEAD <= end; start += CHUNK) {
      // Three more, for a mark that stands across two chunks.
      const chunk = await bytesAt(start, Math.min(CHUNK + 3, end - start));
      const found = nextMark(chunk, 0);
      if (found >= 0) return start + found;
    }
    return -1;
  }

  return {
    async next(end) {
      while (at + HEAD <= end) {
        const found = await recordAt(at, end);
        if (found) {
          at = found[1];
          return found[0];
        }
        const mark = await markFrom(at + 1, end);
        if (mark < 0) return undefined;
        at = mark;
      }
      return undefined;
    },
    close: () => file.close(),
  };
}
