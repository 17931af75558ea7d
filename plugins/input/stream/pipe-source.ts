import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { DbusError, type InputContext, sleep } from "#plugin";
import { countLines } from "./byte-source.ts";
import { createLineSplitter } from "./line-splitter.ts";
import type { StreamInputConfig } from "./stream-input-config.ts";

const CHUNK = 64 * 1024;

/**
 * Reads a named pipe, one writer after another, for ever. It is opened without blocking, since a
 * read that waits for a writer could not be ended by a stop.
 */
export async function runPipe(
  path: string,
  config: StreamInputConfig,
  context: InputContext,
): Promise<void> {
  const { signal, clock } = context;
  const { reader, next } = countLines(config, context);
  const splitter = createLineSplitter(config.lineBytesMax);
  const chunk = Buffer.allocUnsafe(CHUNK);
  const fd = openPipe(path);
  try {
    while (!signal.aborted) {
      const read = readSome(fd, chunk, path);
      if (read > 0) {
        await reader.take(splitter.push(chunk.subarray(0, read)), next);
        continue;
      }
      // Nobody has it open for writing: what came last is all that there will be of its line.
      const last = read === 0 ? splitter.end() : null;
      if (last) await reader.last(last, false, next);
      await sleep(clock, config.pollMs, signal);
    }
  } finally {
    closeSync(fd);
  }
}

function openPipe(path: string): number {
  try {
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (fstatSync(fd).isFIFO()) return fd;
    closeSync(fd);
  } catch (error) {
    throw new DbusError("STREAM_UNREADABLE", `${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  throw new DbusError("STREAM_UNREADABLE", `${path} is not a named pipe`);
}

/** Bytes read; 0 when no writer is there, -1 when one is that has nothing to say now. */
function readSome(fd: number, chunk: Buffer, path: string): number {
  try {
    return readSync(fd, chunk, 0, chunk.length, null);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return -1;
    throw new DbusError("STREAM_UNREADABLE", `${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
