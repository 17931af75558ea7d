import type { TableModel } from "./ddl/table-model.ts";
import type { LogPlace, SchemaHistory } from "./schema-history.ts";

/** A table as it was at some place of the stream. */
export type KnownTable = {
  readonly db: string;
  readonly table: string;
  readonly model: TableModel;
  /** When it was made like this, Unix seconds; null for what the stream itself told. */
  readonly created: number | null;
  /** It holds where the stream is now; else only for events since `created`. */
  readonly proven: boolean;
};

export type KnownTables = {
  get(db: string, table: string): KnownTable | undefined;
  /** What is known and holds for an event of that time. */
  heldAt(db: string, table: string, timestamp: number): KnownTable | undefined;
  all(): Iterable<KnownTable>;
  put(known: KnownTable): void;
  /** From this place on nobody knows what it is like. */
  forget(known: KnownTable, place: LogPlace): void;
  /** From this second on every table that matters is known, or was not there. */
  completeFrom(second: number): void;
  /** Whether there surely is no such table at that time. */
  absent(db: string, table: string, timestamp: number): boolean;
  gone(db: string, table: string): void;
  /** A database has no tables from this place on. */
  emptied(db: string, place: LogPlace): void;
  /** A statement may have made a table that is not known. */
  mayHaveMore(): void;
  clear(): void;
  readonly size: number;
};

/** Holds at most so many tables, and goes without those that were not asked for the longest. */
export function createKnownTables(history: SchemaHistory, tablesMax: number): KnownTables {
  const tables = new Map<string, KnownTable>();
  /** Tables of which a statement that was not understood said something. */
  const lost = new Set<string>();
  let complete = Number.POSITIVE_INFINITY;
  /** Of these every table is known. */
  const wholeDatabases = new Set<string>();

  function mayHaveMore() {
    complete = Number.POSITIVE_INFINITY;
    wholeDatabases.clear();
  }

  return {
    get: (db, table) => tables.get(keyOf(db, table)),
    heldAt(db, table, timestamp) {
      const known = tables.get(keyOf(db, table));
      const holds = known && (known.proven || (known.created ?? 0) <= timestamp);
      return holds ? known : undefined;
    },
    all: () => tables.values(),
    put(known) {
      const key = keyOf(known.db, known.table);
      tables.delete(key);
      tables.set(key, known);
      lost.delete(key);
      const oldest = tables.keys().next().value;
      if (tables.size <= tablesMax || oldest === undefined) return;
      tables.delete(oldest);
      mayHaveMore();
    },
    forget({ db, table }, place) {
      tables.delete(keyOf(db, table));
      if (lost.size < tablesMax) lost.add(keyOf(db, table));
      else mayHaveMore();
      history.note(place, { db, table, model: null, created: null });
    },
    completeFrom(second) {
      complete = Math.min(complete, second);
    },
    absent(db, table, timestamp) {
      const key = keyOf(db, table);
      const whole = timestamp > complete || wholeDatabases.has(db);
      return whole && !lost.has(key) && !tables.has(key);
    },
    gone(db, table) {
      tables.delete(keyOf(db, table));
      lost.delete(keyOf(db, table));
    },
    emptied(db, place) {
      for (const { db: of, table } of [...tables.values()].filter((known) => known.db === db)) {
        tables.delete(keyOf(of, table));
        history.note(place, { db: of, table, model: null, created: null });
      }
      for (const key of lost) if (key.startsWith(`${db}\0`)) lost.delete(key);
      if (wholeDatabases.size < tablesMax) wholeDatabases.add(db);
    },
    mayHaveMore,
    clear() {
      tables.clear();
      lost.clear();
      mayHaveMore();
    },
    get size() {
      return tables.size;
    },
  };
}

/** NUL is in no identifier. */
function keyOf(db: string, table: string): string {
  return `${db}\0${table}`;
}
