import { type FileHandle, open, stat } from "node:fs/promises";
import { DbusError, type InputContext, sleep } from "#plugin";
import { type FileIdentity, findFile, identify, type Sibling, siblings } from "./file-identity.ts";
import { createLineReader, type LineReader, type PositionOf } from "./line-reader.ts";
import { createLineSplitter, type LineSplitter } from "./line-splitter.ts";
import { type FilePosition, filePosition, type StreamInputConfig } from "./stream-input-config.ts";

const CHUNK = 256 * 1024;

type Reading = {
  readonly file: FileHandle;
  readonly chunk: Buffer;
  splitter: LineSplitter;
  identity: FileIdentity;
  /** The next byte to read, and the end of the last line that was handed over. */
  at: number;
  handed: number;
  /** Bytes of a line that is too long and was handed over in parts so far. */
  parts: number;
};

/**
 * Reads a file from its position to its end; with `follow` it waits there for more, and goes on
 * with the next file when this one was rotated away, in the order in which they were written.
 */
export async function runFile(
  path: string,
  config: StreamInputConfig,
  context: InputContext,
): Promise<void> {
  const reader = createLineReader(config, context);
  let reading = await begin(path, config, context);
  try {
    while (reading && !context.signal.aborted) {
      await readToEnd(reading, reader, context);
      if (!config.follow) return await finish(reading, reader);
      const next = await nextFile(path, reading);
      if (next === "truncated") {
        context.log.warn("the file was emptied; reading it from its start", { path });
        await finish(reading, reader, true);
        await startOver(reading, config);
      } else if (next) {
        // Nothing is written to it any more: its last line is complete as it is.
        await readToEnd(reading, reader, context);
        await finish(reading, reader);
        const opened = await openFile(next.path, config);
        // Renamed by somebody between two looks at it: look again.
        if (opened.identity.inode !== next.inode) await opened.file.close();
        else reading = await turnTo(reading, opened);
      } else {
        context.reportLag({ bytes: 0 });
        await sleep(context.clock, config.pollMs, context.signal);
      }
    }
  } finally {
    await reading?.file.close().catch(() => {});
  }
}

async function turnTo(from: Reading, to: Reading): Promise<Reading> {
  await from.file.close();
  return to;
}

/** The file to begin with: that of the position, else the one of the path, once it is there. */
async function begin(
  path: string,
  config: StreamInputConfig,
  context: InputContext,
): Promise<Reading | undefined> {
  const stored = filePosition.safeParse(context.resume());
  if (stored.success) {
    const file = await findFile(path, stored.data);
    if (file) return readingOf(file, config, stored.data.offset);
  }
  for (;;) {
    try {
      const reading = await openFile(path, config);
      if (stored.success) await reportGap(stored.data, reading, context);
      // Known from the start on, so that a file that is rotated after a crash is found again.
      else await context.begin({ 0: { file: reading.identity, offset: 0 } });
      context.reportState(null);
      return reading;
    } catch (error) {
      const missing = (error as { cause?: NodeJS.ErrnoException }).cause?.code === "ENOENT";
      if (!config.follow || !missing) throw error;
      context.reportState(`waiting for ${path}`);
      await sleep(context.clock, config.pollMs, context.signal);
      if (context.signal.aborted) return undefined;
    }
  }
}

async function reportGap(
  from: FilePosition,
  { identity }: Reading,
  context: InputContext,
): Promise<void> {
  const reason = "the file that was being read is gone, or is shorter than what was read of it";
  await context.gap({ from, to: { file: identity, offset: 0 }, reason });
}

async function openFile(path: string, config: StreamInputConfig): Promise<Reading> {
  try {
    const file = await open(path, "r");
    if ((await file.stat()).isFile()) return await readingOf(file, config, 0);
    await file.close();
  } catch (error) {
    const why = `${path}: ${(error as Error).message}`;
    throw new DbusError("STREAM_UNREADABLE", why, { cause: error });
  }
  throw new DbusError("STREAM_UNREADABLE", `${path} is not a regular file`);
}

async function startOver(reading: Reading, config: StreamInputConfig): Promise<void> {
  reading.splitter = createLineSplitter(config.lineBytesMax);
  reading.identity = await identify(reading.file);
  reading.at = 0;
  reading.handed = 0;
  reading.parts = 0;
}

async function readingOf(
  file: FileHandle,
  config: StreamInputConfig,
  at: number,
): Promise<Reading> {
  const splitter = createLineSplitter(config.lineBytesMax);
  const chunk = Buffer.allocUnsafe(CHUNK);
  return { file, chunk, splitter, identity: await identify(file), at, handed: at, parts: 0 };
}

async function readToEnd(
  reading: Reading,
  reader: LineReader,
  context: InputContext,
): Promise<void> {
  const { file, chunk, splitter } = reading;
  const positionOf = positionsOf(reading);
  while (!context.signal.aborted) {
    const { bytesRead } = await file.read(chunk, 0, CHUNK, reading.at);
    if (bytesRead === 0) return;
    const grows = reading.identity.headBytes < Math.min(reading.at + bytesRead, 1024);
    reading.at += bytesRead;
    if (grows) reading.identity = await identify(file);
    await reader.take(splitter.push(chunk.subarray(0, bytesRead)), positionOf);
    if (bytesRead === CHUNK) {
      const { size } = await file.stat();
      context.reportLag({ bytes: Math.max(0, size - reading.at) });
    }
  }
}

/** Behind a part of a line it stays before the line: a restart must not begin in its middle. */
function positionsOf(reading: Reading): PositionOf {
  return ({ size, last }) => {
    reading.parts += size;
    if (last) {
      reading.handed += reading.parts;
      reading.parts = 0;
    }
    return { file: reading.identity, offset: reading.handed };
  };
}

/** Hands over a last line that has no line end. */
async function finish(reading: Reading, reader: LineReader, torn = false): Promise<void> {
  const last = reading.splitter.end();
  if (last) await reader.last(last, torn, positionsOf(reading));
}

/**
 * The file that comes after the one that is read to its end, "truncated" when it was emptied
 * instead, undefined while it is still the newest.
 */
async function nextFile(
  path: string,
  { file, identity, at }: Reading,
): Promise<Sibling | "truncated" | undefined> {
  const { size, mtimeNs } = await file.stat({ bigint: true });
  if (size < at) return "truncated";
  const named = await stat(path).catch(() => undefined);
  if (named?.ino === identity.inode) return undefined;
  const all = await siblings(path);
  const index = all.findIndex(({ inode }) => inode === identity.inode);
  if (index !== -1) return all[index + 1];
  // It was deleted: whatever was written to since then comes next.
  return all.find(({ modified }) => modified >= mtimeNs);
}
