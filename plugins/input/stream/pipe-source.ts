import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { DbusError, type InputContext, sleep } from "#plugin";
import { countLines } from "./byte-source.ts";
import { createLineSplitter } from "./line-splitter.ts";
import type { StreamInputConfig } from "./stream-input-config.ts";

const CHUNK = 64 * 1024;
/** So often timers and sockets get their turn, however much there is to read. */
const TURN_MS = 5;

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
  // A pipe holds little: a busy writer must not wait for a sleeper who has seen it empty once.
  let idleMs = 1;
  let turn = clock.now();
  try {
    while (!signal.aborted) {
      if (clock.now() - turn > TURN_MS) {
        await new Promise((resolve) => setImmediate(resolve));
        turn = clock.now();
      }
      const read = readSome(fd, chunk, path);
      if (read > 0) {
        idleMs = 1;
        await reader.take(splitter.push(chunk.subarray(0, read)), next);
        continue;
      }
      // Nobody has it open for writing: what came last is all that there will be of its line.
      const last = read === 0 ? splitter.end() : null;
      if (last) await reader.last(last, false, next);
      await sleep(clock, idleMs, signal);
      idleMs = Math.min(config.pollMs, idleMs * 2);
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
