import { Database, SQLiteError } from "bun:sqlite";
import { existsSync } from "node:fs";
import { DbusError } from "../errors.ts";

/**
 * One SQLite file whose errors have codes. After an error of input or output the file is closed and
 * opened again before it is used: what a failed fsync has left in memory is not to be trusted.
 */
export type StateDatabase = {
  /** Runs `work` on the open file. Throws `STATE_UNWRITABLE`, `STATE_CORRUPT`. */
  read<T>(work: (db: Database) => T): T;
  /** The same within a transaction: all of it or nothing, durable when it returns. */
  write<T>(work: (db: Database) => T): T;
  close(): void;
};

export type DatabaseOptions = { readonly path: string; readonly readonly: boolean };

/** Above this size a start does not wait for a check of the whole file. */
const CHECKED_BYTES_MAX = 64 << 20;

export function openDatabase({ path, readonly }: DatabaseOptions): StateDatabase {
  let db: Database | undefined = coded(path, () => connect(path, readonly));
  let closed = false;

  function guard<T>(work: (db: Database) => T): T {
    if (closed) throw new DbusError("STATE_UNWRITABLE", "the state is closed");
    return coded(path, () => {
      const open = db ?? connect(path, readonly);
      db = open;
      try {
        return work(open);
      } catch (error) {
        if (codeOf(error).startsWith("SQLITE_IOERR")) {
          db = undefined;
          closeQuietly(open);
        }
        throw error;
      }
    });
  }

  return {
    read: guard,
    write(work) {
      if (readonly) throw new DbusError("STATE_UNWRITABLE", `${path} was opened for reading only`);
      return guard((open) => {
        const attempt = () => open.transaction(() => work(open)).immediate();
        try {
          return attempt();
        } catch (error) {
          if (codeOf(error) !== "SQLITE_FULL") throw error;
          // On a full disk the log may be all that is in the way: carried over, it makes room.
          open.run("PRAGMA wal_checkpoint(TRUNCATE)");
          return attempt();
        }
      });
    },
    close() {
      closed = true;
      if (db) closeQuietly(db);
      db = undefined;
    },
  };
}

function connect(path: string, readonly: boolean): Database {
  if (readonly && !existsSync(path)) {
    throw new DbusError("NOT_FOUND", `there is no state at ${path}`);
  }
  const db = new Database(path, readonly ? { readonly } : { readwrite: true, create: false });
  try {
    db.run("PRAGMA busy_timeout = 2000");
    if (!readonly) {
      db.run("PRAGMA journal_mode = WAL");
      db.run("PRAGMA synchronous = FULL");
      // SQLite's own log is carried over and cut back at 1 MiB, so that it takes little of a disk.
      db.run("PRAGMA wal_autocheckpoint = 256");
      db.run("PRAGMA journal_size_limit = 1048576");
    }
    check(db, path);
    return db;
  } catch (error) {
    closeQuietly(db);
    throw error;
  }
}

function check(db: Database, path: string): void {
  if (Bun.file(path).size > CHECKED_BYTES_MAX) {
    db.query("SELECT count(*) FROM sqlite_schema").get();
    return;
  }
  const found = db.query<{ quick_check: string }, []>("PRAGMA quick_check(1)").get();
  if (found?.quick_check !== "ok") {
    throw new DbusError("STATE_CORRUPT", `${path} is damaged: ${found?.quick_check}`);
  }
}

function closeQuietly(db: Database): void {
  try {
    db.close();
  } catch {
    // It is given up anyway; the next use opens a new one.
  }
}

/** Calls `work` and gives what SQLite throws its code. */
export function coded<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SQLiteError)) throw error;
    const code = codeOf(error);
    // The statements are always the same: one that is not understood means tables that are not ours.
    const damaged = /^SQLITE_(CORRUPT|NOTADB|ERROR$)/.test(code);
    const which = damaged ? "STATE_CORRUPT" : "STATE_UNWRITABLE";
    throw new DbusError(which, `${path}: ${error.message}`, { cause: error });
  }
}

/** SQLite's extended code, e.g. `SQLITE_IOERR_FSYNC`; empty for any other error. */
export function codeOf(error: unknown): string {
  return error instanceof SQLiteError ? (error.code ?? "") : "";
}
