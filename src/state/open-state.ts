import { join } from "node:path";
import { createSqliteCheckpointStore } from "../checkpoint/sqlite-store.ts";
import { type Clock, systemClock } from "../clock.ts";
import { createSqliteLocalLog } from "../cluster/sqlite-local-log.ts";
import { createSqliteCrashStore } from "../crash/sqlite-store.ts";
import { createSqliteDeadLetterStore } from "../deadletter/sqlite-store.ts";
import { createSqliteGapStore } from "../gap/sqlite-store.ts";
import { createFileSpillStore } from "../spill/file-store.ts";
import { openDatabase } from "./database.ts";
import { currentEpoch, nextEpoch, prepareSchema } from "./schema.ts";
import type { State } from "./state.ts";
import { makePrivateFile, makeStateDir } from "./state-files.ts";
import { lockState } from "./state-lock.ts";

export type StateOptions = {
  /** The data folder; made when it is not there. */
  readonly dir: string;
  /** Looks without taking the folder, beside a daemon too: nothing can be written. */
  readonly readonly?: boolean;
  readonly clock?: Clock;
};

/**
 * Opens what outlives the process: one SQLite file, `state.db`, in a folder that this process holds
 * alone from now on, under a new epoch. Throws `STATE_LOCKED`, `STATE_UNWRITABLE`, `STATE_CORRUPT`,
 * `STATE_NEWER`, and with `readonly` `NOT_FOUND` when there is nothing to look at.
 */
export async function openState(options: StateOptions): Promise<State> {
  const { dir, readonly = false, clock = systemClock } = options;
  const path = join(dir, "state.db");
  if (!readonly) makeStateDir(dir);
  const lock = readonly ? undefined : lockState(dir);
  try {
    if (!readonly) makePrivateFile(path);
    const database = openDatabase({ path, readonly });
    prepareSchema(database, { path, readonly });
    const epoch = readonly ? currentEpoch(database) : nextEpoch(database);
    return {
      checkpoints: createSqliteCheckpointStore(database, clock),
      deadLetters: createSqliteDeadLetterStore(database, clock),
      gaps: createSqliteGapStore(database, clock),
      crashes: createSqliteCrashStore(database),
      localLog: createSqliteLocalLog(database),
      spills: createFileSpillStore(dir),
      epoch,
      async close() {
        database.close();
        lock?.release();
      },
    };
  } catch (error) {
    lock?.release();
    throw error;
  }
}
