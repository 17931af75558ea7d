import { SQLiteError } from "bun:sqlite";
import { DbusError } from "../errors.ts";

/** Damage to the file, in SQLite's words. */
const corrupt = new Set([
  "SQLITE_CORRUPT",
  "SQLITE_NOTADB",
  "SQLITE_FORMAT",
  "SQLITE_CORRUPT_VTAB",
]);

/** Runs work on the state file and gives what SQLite throws a code of ours. */
export function stateError<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SQLiteError)) throw error;
    const code = corrupt.has(error.code ?? "") ? "STATE_CORRUPT" : "STATE_UNWRITABLE";
    throw new DbusError(code, `the state file: ${error.message}`, { cause: error });
  }
}
