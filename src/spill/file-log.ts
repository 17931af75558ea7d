import type { FileHandle } from "node:fs/promises";
import { DbusError } from "../errors.ts";
import {
  createSegmentFile,
  listSegments,
  openAcked,
  removeSegment,
  type Segment,
  segmentPath,
  syncFolder,
  writeAcked,
} from "./segment-files.ts";
import { openSegment, type SegmentReader } from "./segment-reader.ts";
import type { SpillLog, SpillOptions, SpillRecord } from "./spill-log.ts";
import { encodeRecord } from "./spill-record.ts";

export type FileLogOptions = Pick<SpillOptions, "onLoss"> & {
  readonly dir: string;
  /** A segment is closed when it has become so large. */
  readonly segmentBytes?: number;
};

const segmentBytesDefault = 16 * 2 ** 20;
/** Acks are written down after so many; a crash repeats at most these. */
const ACKS_UNWRITTEN_MAX = 2_000;

/**
 * Opens the log of a folder. It never appends to a segment of a former process, whose end may be
 * torn, nor to one whose write or sync has failed, since nobody knows then what is in it: a new
 * segment begins, and its name says that nothing from that number on counts in older ones.
 */
export async function openFileLog(options: FileLogOptions): Promise<SpillLog> {
  const { dir, segmentBytes = segmentBytesDefault, onLoss } = options;
  const segments = await guarded(dir, () => listSegments(dir));
  const stored = await guarded(dir, () => openAcked(dir));
  const storedAck = stored.number;
  let slot = stored.slot;
  // Without what was written down of it, whatever files are gone were acked.
  let acked = storedAck > 0 ? storedAck : (segments[0]?.base ?? 1) - 1;
  let ackWritten = storedAck;
  let next = await guarded(dir, () => nextNumber(segments, storedAck));
  acked = Math.min(acked, next - 1);
  let writing: { readonly segment: Segment; readonly file: FileHandle } | undefined;
  let reading: { readonly segment: Segment; readonly reader: SegmentReader } | undefined;
  /** The number of the packet that is read next. */
  let readNext = acked + 1;
  let cleaning = Promise.resolve();
  let appending = false;
  /** No file is closed under a call that is on its way: its number may be another file's by then. */
  let appended: Promise<unknown> = Promise.resolve();
  let wasRead: Promise<unknown> = Promise.resolve();
  /** Files that could go are still there: what is new would have no room beside them. */
  let uncleaned = false;

  /** Where packets of a segment stop to count: at the beginning of the next one. */
  function limitOf(segment: Segment): number {
    const index = segments.indexOf(segment);
    return segments[index + 1]?.base ?? next;
  }

  async function writer() {
    if (writing && writing.segment.size < segmentBytes) return writing;
    await endWriting();
    const segment: Segment = { base: next, path: segmentPath(dir, next), size: 0 };
    // One of the same number holds nothing that counts: its first write failed.
    const same = segments.findIndex(({ base }) => base === next);
    if (same >= 0) segments.splice(same, 1);
    const file = await createSegmentFile(segment.path);
    try {
      await syncFolder(dir);
    } catch (error) {
      await file.close().catch(() => {});
      throw error;
    }
    segments.push(segment);
    writing = { segment, file };
    return writing;
  }

  async function endWriting(): Promise<void> {
    const ended = writing;
    writing = undefined;
    await ended?.file.close().catch(() => {});
  }

  async function append(bodies: Parameters<SpillLog["append"]>[0]): Promise<void> {
    let number = next;
    const records = bodies.map((body) => {
      const record = encodeRecord(body, number);
      number += body.count;
      return record;
    });
    if (uncleaned) await cleanAgain().catch(() => {});
    appending = true;
    try {
      const { segment, file } = await writer();
      const bytes = Buffer.concat(records);
      let done = 0;
      while (done < bytes.length) {
        const at = segment.size + done;
        const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at);
        done += bytesWritten;
      }
      await file.datasync();
      segment.size += bytes.length;
      next = number;
    } catch (error) {
      await giveUp();
      throw unwritable(dir, error);
    } finally {
      appending = false;
    }
  }

  /** Nobody knows what of it is on the disk: the file is not written to any more. */
  async function giveUp(): Promise<void> {
    const failed = writing;
    await failed?.file.truncate(failed.segment.size).catch(() => {});
    await endWriting();
    if (failed?.segment.size === 0) {
      segments.splice(segments.indexOf(failed.segment), 1);
      await removeSegment(failed.segment).catch(() => {});
    }
  }

  async function read(): Promise<SpillRecord | undefined> {
    while (readNext < next) {
      const segment = reading?.segment ?? segments.findLast(({ base }) => base <= readNext);
      // A segment that is gone takes its packets with it.
      if (!segment) {
        lose(segments[0]?.base ?? next, "a file of it is gone");
        continue;
      }
      // As of now: what is appended meanwhile is not missing.
      const limit = limitOf(segment);
      const found = await nextOf(segment, limit);
      if (found) return found;
      if (readNext < limit) lose(limit, "a file of it is damaged");
      await endReading();
    }
    return undefined;
  }

  async function nextOf(segment: Segment, limit: number): Promise<SpillRecord | undefined> {
    try {
      reading ??= { segment, reader: await openSegment(segment.path) };
      const { size } = segment;
      for (;;) {
        const record = await reading.reader.next(size);
        if (!record) return undefined;
        if (!counts(record, readNext, limit)) continue;
        if (record.first > readNext) lose(record.first, "a file of it is damaged");
        readNext = record.first + record.count;
        return record;
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw unwritable(dir, error);
    }
  }

  function lose(to: number, reason: string): void {
    onLoss({ from: readNext, to: to - 1, reason });
    readNext = to;
  }

  async function endReading(): Promise<void> {
    const ended = reading;
    reading = undefined;
    await ended?.reader.close().catch(() => {});
  }

  function cleanAgain(): Promise<void> {
    const done = cleaning.then(clean).then(
      () => {
        uncleaned = false;
      },
      (error) => {
        uncleaned = true;
        throw unwritable(dir, error);
      },
    );
    cleaning = done.catch(() => {});
    return done;
  }

  async function noteAcked(number: number): Promise<void> {
    slot = slot === 0 ? 1 : 0;
    await writeAcked(dir, { number, slot });
    ackWritten = number;
  }

  const beingWritten = (segment: Segment) => appending && segment === writing?.segment;

  /** One that a crash has left without a whole record stays: its name is that of the next file. */
  const isDone = (segment: Segment) =>
    segment.base < next && limitOf(segment) - 1 <= acked && !beingWritten(segment);

  /** Written down before a file goes: what is missing below it was acked, not lost. */
  async function clean(): Promise<void> {
    const done = segments.filter(isDone);
    if (done.length === 0 && acked - ackWritten < ACKS_UNWRITTEN_MAX) return;
    const number = acked;
    await noteAcked(number);
    await wasRead;
    for (const segment of done) {
      // Appended to meanwhile.
      if (limitOf(segment) - 1 > number || beingWritten(segment)) continue;
      if (segment === writing?.segment) await endWriting();
      if (segment === reading?.segment) await endReading();
      segments.splice(segments.indexOf(segment), 1);
      await removeSegment(segment);
    }
  }

  return {
    get packets() {
      return next - 1 - acked;
    },
    get bytes() {
      return segments.reduce((sum, { size }) => sum + size, 0);
    },
    get acked() {
      return acked;
    },
    append(bodies) {
      const work = append(bodies);
      appended = work.catch(() => {});
      return work;
    },
    read() {
      const work = read();
      wasRead = work.catch(() => {});
      return work;
    },
    ack(number) {
      acked = Math.max(acked, Math.min(number, next - 1));
      return cleanAgain();
    },
    async close() {
      await Promise.all([cleaning, appended, wasRead]);
      await endWriting();
      await endReading();
      if (acked > ackWritten) await noteAcked(acked).catch(() => {});
    },
  };
}

/** Whether a record holds packets from `from` on, and none that a later segment replaces. */
function counts({ first, count }: SpillRecord, from: number, limit: number): boolean {
  return first + count > from && first + count <= limit;
}

/** One more than the newest packet: the last segment is read to its end, where it may be torn. */
async function nextNumber(segments: readonly Segment[], acked: number): Promise<number> {
  const last = segments.at(-1);
  if (!last) return acked + 1;
  let next = last.base;
  const reader = await openSegment(last.path);
  try {
    for (;;) {
      const record = await reader.next(last.size);
      if (!record) break;
      next = Math.max(next, record.first + record.count);
    }
  } finally {
    await reader.close();
  }
  return Math.max(next, acked + 1);
}

async function guarded<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unwritable(dir, error);
  }
}

function unwritable(dir: string, error: unknown): DbusError {
  if (error instanceof DbusError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new DbusError("SPILL_UNWRITABLE", `the buffer in ${dir}: ${why}`, { cause: error });
}
