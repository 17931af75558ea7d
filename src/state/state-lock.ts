import { Database } from "bun:sqlite";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DbusError } from "../errors.ts";
import { coded, codeOf } from "./database.ts";
import { guarded, makePrivateFile } from "./state-files.ts";

/** The data folder belongs to this process until it is released, or ends in whatever way. */
export type StateLock = { release(): void };

/**
 * Takes the data folder. The lock is an exclusive transaction on a file of its own that is never
 * written: the operating system releases it when the process ends, by SIGKILL too, and no stale
 * file can lock anybody out. Throws `STATE_LOCKED`, which names the process that holds it, and
 * `STATE_UNWRITABLE`.
 */
export function lockState(dir: string): StateLock {
  const path = join(dir, "lock.db");
  const pidFile = join(dir, "dbusd.pid");
  makePrivateFile(path);
  const db = coded(path, () => new Database(path, { readwrite: true, create: false }));
  try {
    coded(path, () => {
      db.run("PRAGMA busy_timeout = 0");
      db.run("PRAGMA journal_mode = MEMORY");
      db.run("BEGIN EXCLUSIVE");
    });
  } catch (error) {
    db.close();
    const cause = error instanceof DbusError ? error.cause : error;
    if (!codeOf(cause).startsWith("SQLITE_BUSY")) throw error;
    throw new DbusError("STATE_LOCKED", `${dir} is held by another process${holder(pidFile)}`);
  }
  try {
    makePrivateFile(pidFile);
    guarded(pidFile, () => writeFileSync(pidFile, `${process.pid}\n`));
  } catch (error) {
    db.close();
    throw error;
  }
  return { release: () => db.close() };
}

/** The process that holds the folder, as far as it has said so. */
function holder(pidFile: string): string {
  try {
    const pid = readFileSync(pidFile, "utf8").trim();
    return /^\d{1,10}$/.test(pid) ? `, pid ${pid}` : "";
  } catch {
    return "";
  }
}
