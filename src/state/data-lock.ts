import { Database } from "bun:sqlite";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { DbusError } from "../errors.ts";

/** Held until `release`, or until the process ends in whatever way. */
export type DataLock = { release(): void };

/**
 * Takes the data folder for this process. The lock is SQLite's own exclusive lock on `lock.db`,
 * which the operating system gives back with the process, so a SIGKILL leaves nothing to clean up.
 * Throws `STATE_LOCKED` with the process id of whoever holds it.
 */
export function lockDataFolder(dir: string): DataLock {
  const path = join(dir, "lock.db");
  const database = new Database(path, { create: true });
  try {
    chmodSync(path, 0o600);
    database.run("PRAGMA busy_timeout = 0");
    database.run("PRAGMA journal_mode = DELETE");
    database.run("CREATE TABLE IF NOT EXISTS holder (pid INTEGER)");
    database.run("DELETE FROM holder");
    database.run("INSERT INTO holder VALUES (?)", [process.pid]);
    // Readers may still see who holds it; a second writer finds RESERVED taken.
    database.run("BEGIN IMMEDIATE");
  } catch (cause) {
    const pid = holderOf(database);
    database.close();
    if ((cause as { code?: string }).code !== "SQLITE_BUSY") throw cause;
    const who = pid === null ? "another process" : `process ${pid}`;
    throw new DbusError("STATE_LOCKED", `${who} holds the data folder ${dir}`, { cause });
  }
  return {
    release() {
      database.run("ROLLBACK");
      database.close();
    },
  };
}

function holderOf(database: Database): number | null {
  try {
    return database.query<{ pid: number }, []>("SELECT pid FROM holder").get()?.pid ?? null;
  } catch {
    return null;
  }
}
