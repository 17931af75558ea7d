import { stat } from "node:fs/promises";
import type { InputContext } from "#plugin";
import { type BinlogFile, inOrder, listFiles } from "./file-list.ts";

/** Each looks at all the files. */
const everyMs = 1_000;

export type FileLag = {
  /** There is more behind `pos` of `file`; `timestamp` of what was read last, in Unix seconds. */
  behind(file: BinlogFile, pos: number, timestamp: number): Promise<void>;
  /** Everything that is there was read. */
  none(): void;
};

/** Says how far reading is behind the files: by time since the event was logged, and by bytes. */
export function createFileLag(context: InputContext, patterns: readonly string[]): FileLag {
  let saidAt = Number.NEGATIVE_INFINITY;
  return {
    async behind(file, pos, timestamp) {
      if (context.clock.now() - saidAt < everyMs) return;
      saidAt = context.clock.now();
      const seconds = Math.max(0, Math.round(context.clock.wall() / 1000 - timestamp));
      const files = (await listFiles(patterns)).filter((other) => inOrder(other, file) > 0);
      const sizes = await Promise.all(files.map(({ path }) => sizeOf(path)));
      const bytes = sizes.reduce((total, size) => total + size, 0) - pos;
      context.reportLag({ seconds, bytes: Math.max(0, bytes) });
    },
    none() {
      saidAt = Number.NEGATIVE_INFINITY;
      context.reportLag({ seconds: 0, bytes: 0 });
    },
  };
}

/** A file may be deleted meanwhile; who reads it next will say so. */
function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
