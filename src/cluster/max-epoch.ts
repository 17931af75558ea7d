import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DbusError } from "#src/errors.ts";
import { guarded } from "#src/state/state-files.ts";
import { type EpochMemory, memoryOfEpoch } from "./identity.ts";

const file = "max-epoch";

/**
 * The greatest epoch that this process has ever seen, in the data folder: who sees an older one in
 * ZooKeeper knows that it was restored from a backup, or that somebody removed nodes. Throws
 * STATE_CORRUPT when the file holds no epoch; an epoch that cannot be written is kept in memory,
 * and `warn` is told.
 */
export function keptMaxEpoch(dir: string, warn: (error: unknown) => void): EpochMemory {
  const path = join(dir, file);
  const memory = memoryOfEpoch(read(path));
  return {
    get epoch() {
      return memory.epoch;
    },
    raise(seen) {
      if (seen <= memory.epoch) return;
      memory.raise(seen);
      try {
        guarded(path, () => {
          // By its name it is there whole or not at all, whenever the process is killed.
          writeFileSync(`${path}.new`, `${seen}\n`, { mode: 0o600 });
          renameSync(`${path}.new`, path);
        });
      } catch (error) {
        warn(error);
      }
    },
  };
}

function read(path: string): number {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw new DbusError("STATE_UNWRITABLE", `${path} cannot be read`, { cause: error });
  }
  if (/^\d{1,15}\n$/.test(text)) return Number(text);
  const remedy = "write the epoch of the cluster into it (dbc clusters), or remove it";
  throw new DbusError("STATE_CORRUPT", `${path} does not hold an epoch`, { remedy });
}
