import { write as writeFd } from "node:fs";
import { DbusError, type OutputContext, sleep } from "#plugin";
import type { Sink } from "./sink.ts";

const STDOUT = 1;
/** How long to wait before a reader that takes nothing is asked again. */
const FULL_MS = 5;
const LINE_END = Buffer.from("\n");

/** Whether the last write broke off within a line: the next one then begins a new line. */
let withinLine = false;

/**
 * Standard output, which belongs to the data alone: logs go to standard error. Written by `fs.write`,
 * since `Bun.write` never ends when the reader of a pipe has gone away (Bun 1.4.5).
 */
export function openStdoutSink({ clock, signal }: Pick<OutputContext, "clock" | "signal">): Sink {
  async function writeAll(bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (signal.aborted) throw new DbusError("STREAM_UNWRITABLE", "standard output: stopped");
      const written = await some(bytes.subarray(at));
      at += written;
      if (written > 0) withinLine = bytes[at - 1] !== LINE_END[0];
      else await sleep(clock, FULL_MS, signal);
    }
  }

  return {
    async write(lines) {
      if (withinLine) await writeAll(LINE_END);
      await writeAll(lines);
    },
    room: () => Number.POSITIVE_INFINITY,
    async rotate() {},
    async close() {},
  };
}

/** Writes what the reader takes now; 0 when it takes nothing. */
function some(bytes: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    writeFd(STDOUT, bytes, 0, bytes.length, null, (error, written) => {
      if (!error) resolve(written);
      else if (error.code === "EAGAIN") resolve(0);
      else reject(unwritable(error));
    });
  });
}

function unwritable(error: NodeJS.ErrnoException): DbusError {
  const gone = error.code === "EPIPE";
  const why = gone ? "its reader has gone away" : error.message;
  return new DbusError("STREAM_UNWRITABLE", `standard output: ${why}`, {
    cause: error,
    ...(gone ? { remedy: "end dbusd and start it again with a reader; nothing is lost" } : {}),
  });
}
