import { DbusError } from "#plugin";
import type { Sink } from "./sink.ts";

/** Standard output, which belongs to the data alone: logs go to standard error. */
export function openStdoutSink(): Sink {
  return {
    async write(lines) {
      try {
        await Bun.write(Bun.stdout, lines);
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        throw new DbusError("STREAM_UNWRITABLE", `standard output: ${why}`, { cause: error });
      }
    },
    room: () => Number.POSITIVE_INFINITY,
    async rotate() {},
    async close() {},
  };
}
