import { chmodSync, closeSync, constants, lstatSync, mkdirSync, openSync } from "node:fs";
import { DbusError } from "../errors.ts";

/** Makes the data folder, for its owner only. One that is there already keeps its permissions. */
export function makeStateDir(dir: string): void {
  guarded(dir, () => mkdirSync(dir, { recursive: true, mode: 0o700 }));
}

/**
 * Makes an empty file that only its owner may read, unless it is there, and takes the rights of
 * others away. Links are refused: they could lead SQLite to a file outside of the folder (S9).
 *
 * It never opens a file that is there: closing it again would drop the POSIX locks which SQLite
 * holds on that file in this same process.
 */
export function makePrivateFile(path: string): void {
  guarded(path, () => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    if (!found) {
      const { O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW } = constants;
      try {
        closeSync(openSync(path, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW, 0o600));
      } catch (error) {
        // Another process that starts at the same moment has made it.
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      return;
    }
    if (!found.isFile()) throw new DbusError("STATE_UNWRITABLE", `${path} is not a regular file`);
    if ((found.mode & 0o077) !== 0) chmodSync(path, 0o600);
  });
}

/** Gives what the file system throws the code `STATE_UNWRITABLE`. */
export function guarded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof DbusError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new DbusError("STATE_UNWRITABLE", `${path} cannot be made: ${why}`, { cause: error });
  }
}
