import type { Readable } from "node:stream";
import type { InputContext } from "#plugin";
import { createLineReader, type LineReader, type PositionOf } from "./line-reader.ts";
import { createLineSplitter } from "./line-splitter.ts";
import type { StreamInputConfig } from "./stream-input-config.ts";

/** Lines of sources that cannot be read again, counted over all of them and over restarts. */
export type CountedLines = {
  readonly reader: LineReader;
  readonly next: PositionOf;
};

export function countLines(config: StreamInputConfig, context: InputContext): CountedLines {
  const resumed = context.resume() as { readonly lines?: number } | null;
  let lines = resumed?.lines ?? 0;
  const next: PositionOf = ({ last }) => ({ lines: last ? ++lines : lines });
  return { reader: createLineReader(config, context), next };
}

/** Runs what must not overlap one after another. */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>;

export function createGate(): Gate {
  let tail: Promise<unknown> = Promise.resolve();
  return (work) => {
    const done = tail.then(work);
    tail = done.catch(() => {});
    return done;
  };
}

/**
 * Reads a stream to its end, line by line; nothing more is read while the bus takes no more. A last
 * line without its end is torn after an error, or when `isTorn` says so. Rejects only with what the
 * bus throws.
 */
export async function readLines(
  stream: Readable,
  config: StreamInputConfig,
  { reader, next }: CountedLines,
  signal: AbortSignal,
  gate: Gate,
  isTorn: () => Promise<boolean> | boolean = () => false,
): Promise<{ readonly error: Error | undefined }> {
  const splitter = createLineSplitter(config.lineBytesMax);
  const error = await eachChunk(stream, signal, (chunk) => {
    const lines = splitter.push(chunk);
    return lines.length === 0 ? undefined : gate(() => reader.take(lines, next));
  });
  if (signal.aborted) return { error: undefined };
  const last = splitter.end();
  if (last) {
    const torn = error !== undefined || (await isTorn());
    await gate(() => reader.last(last, torn, next));
  }
  return { error };
}

/** Calls `take` with each chunk and reads on when it is done; answers the error of the stream. */
function eachChunk(
  stream: Readable,
  signal: AbortSignal,
  take: (chunk: Buffer) => Promise<void> | undefined,
): Promise<Error | undefined> {
  return new Promise((resolve, reject) => {
    let busy: Promise<void> | undefined;
    const end = (error?: Error) => {
      settle();
      // What was handed over last is not to be overtaken by the end.
      void (busy ?? Promise.resolve()).then(() => resolve(error), reject);
    };
    const onData = (chunk: Buffer) => {
      const taking = take(chunk);
      if (!taking) return;
      stream.pause();
      busy = taking;
      taking.then(
        () => {
          if (!signal.aborted) stream.resume();
        },
        (error) => {
          settle();
          reject(error);
        },
      );
    };
    const onEnd = () => end();
    const onClose = () => end(new Error("the stream was closed"));
    const onAbort = () => {
      settle();
      stream.pause();
      resolve(undefined);
    };
    function settle() {
      stream.off("data", onData);
      stream.off("end", onEnd);
      stream.off("close", onClose);
      stream.off("error", end);
      // Errors that come later have nobody to tell.
      stream.on("error", () => {});
      signal.removeEventListener("abort", onAbort);
    }
    stream.on("end", onEnd);
    stream.on("close", onClose);
    stream.on("error", end);
    stream.on("data", onData);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    else stream.resume();
  });
}

export async function runStdin(config: StreamInputConfig, context: InputContext): Promise<void> {
  const { error } = await readLines(
    process.stdin,
    config,
    countLines(config, context),
    context.signal,
    createGate(),
  );
  if (error) context.log.warn("standard input broke off", { error });
}
