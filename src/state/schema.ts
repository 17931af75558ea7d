import type { Database } from "bun:sqlite";
import { DbusError } from "../errors.ts";
import type { StateDatabase } from "./database.ts";

const tables = `
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoint (
  input TEXT NOT NULL, resource TEXT NOT NULL, partition TEXT NOT NULL,
  position TEXT NOT NULL, epoch INTEGER NOT NULL, committed_at INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  PRIMARY KEY (input, resource, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE dead_letter (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
  node TEXT NOT NULL, input TEXT NOT NULL, resource TEXT NOT NULL, partition TEXT NOT NULL,
  ident TEXT NOT NULL, position TEXT NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL,
  packet TEXT NOT NULL, crc INTEGER NOT NULL, redriven_at INTEGER
) STRICT;
CREATE INDEX dead_letter_node ON dead_letter (node, id);
CREATE INDEX dead_letter_input ON dead_letter (input, id);
CREATE TABLE gap (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
  input TEXT NOT NULL, resource TEXT NOT NULL, partition TEXT NOT NULL,
  position_from TEXT NOT NULL, position_to TEXT NOT NULL, reason TEXT NOT NULL
) STRICT;
`;

/** What brings the tables of each version to the next one. Released ones never change. */
const migrations: readonly string[] = [
  tables,
  `
ALTER TABLE dead_letter ADD COLUMN crashes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead_letter ADD COLUMN crashed_at INTEGER;
CREATE TABLE crash (
  node TEXT NOT NULL, input TEXT NOT NULL, resource TEXT NOT NULL, partition TEXT NOT NULL,
  position TEXT NOT NULL, crashes INTEGER NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL,
  first_at INTEGER NOT NULL, last_at INTEGER NOT NULL,
  PRIMARY KEY (node, input, resource, partition, position)
) STRICT, WITHOUT ROWID;
`,
  `
CREATE TABLE local_log (
  rid TEXT PRIMARY KEY, fence INTEGER NOT NULL, seq INTEGER NOT NULL,
  positions TEXT NOT NULL, at INTEGER NOT NULL, crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`,
];

/** The version that this dbus writes. One that is newer was written by a newer dbus. */
const VERSION = migrations.length;

export type SchemaOptions = { readonly path: string; readonly readonly: boolean };

/**
 * Makes the tables of a new file, and brings those of an older dbus up to date, in one transaction.
 * Throws `STATE_NEWER`, `STATE_OLDER` when it may only read, `STATE_CORRUPT` for a foreign file.
 */
export function prepareSchema(database: StateDatabase, { path, readonly }: SchemaOptions): void {
  const version = database.read(versionOf);
  if (version > VERSION) {
    const message = `${path} has version ${version}, this dbus knows ${VERSION}`;
    throw new DbusError("STATE_NEWER", message);
  }
  if (version === VERSION) return;
  const foreign = database.read((db) => db.query("SELECT name FROM sqlite_schema LIMIT 1").get());
  if (version > 0 && readonly) {
    throw new DbusError("STATE_OLDER", `${path} has version ${version}, this dbus ${VERSION}`);
  }
  if (foreign && version === 0)
    throw new DbusError("STATE_CORRUPT", `${path} is not a state file of dbus`);
  database.write((db) => {
    for (const migration of migrations.slice(version)) db.run(migration);
    db.run(`PRAGMA user_version = ${VERSION}`);
  });
  // A file that has all of its tables needs no more room for a start on a disk that is full by then.
  database.read((db) => db.run("PRAGMA wal_checkpoint(TRUNCATE)"));
}

function versionOf(db: Database): number {
  return db.query<{ user_version: number }, []>("PRAGMA user_version").get()?.user_version ?? 0;
}

/** Adds one to the epoch and answers it; every start has a greater one than all before it. */
export function nextEpoch(database: StateDatabase): number {
  const row = database.write((db) =>
    db
      .query<{ value: number }, []>(
        `INSERT INTO meta (name, value) VALUES ('epoch', 1)
         ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value`,
      )
      .get(),
  );
  return row?.value ?? 1;
}

/** The epoch of the newest start; 0 before the first. */
export function currentEpoch(database: StateDatabase): number {
  const query = "SELECT value FROM meta WHERE name = 'epoch'";
  const row = database.read((db) => db.query<{ value: number }, []>(query).get());
  return row?.value ?? 0;
}
