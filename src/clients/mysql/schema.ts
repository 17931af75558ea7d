import { DbusError } from "../../errors.ts";
import type { SchemaLookup } from "./binlog/schema-lookup.ts";
import type { MysqlConnection } from "./connection.ts";
import { type DescribedTable, describeAll, describeTable } from "./schema-query.ts";

/*
 * Names of columns for servers whose binlog does not carry them. `information_schema` speaks of
 * now, an event of then. What is known of a table holds for an event when
 *
 *   - the table's definition has not changed since before the event was logged (CREATE_TIME), or
 *   - it held for an earlier event of the stream, and no statement came in between that may have
 *     changed the table;
 *
 * everything else is SCHEMA_UNKNOWN. `table-version.ts` also compares number, types, lengths and
 * nullability of the columns. CREATE_TIME counts seconds: a table altered within the second of an
 * event is taken as altered before it only when that statement went by, or may have before reading
 * began. What this cannot see: a second ALTER within that second, to columns of the same types;
 * and DDL that the server did not log.
 */

export type SchemaCache = {
  /** Answers from what `load` brought. */
  readonly lookup: SchemaLookup;
  /**
   * Makes `lookup` answer for an event of the table that was logged at `timestamp` (Unix seconds).
   * Called for each new version. Throws SCHEMA_UNKNOWN when the table was altered since.
   */
  load(connection: MysqlConnection, db: string, table: string, timestamp: number): Promise<void>;
  /** Learns all wanted tables at once, before reading begins, if they are not too many. */
  prefetch(
    connection: MysqlConnection,
    wants: (db: string, table: string) => boolean,
  ): Promise<void>;
  /** For every QUERY event that goes by: what the statement may have changed is forgotten. */
  statement(db: string, sql: string, timestamp: number): void;
  readonly size: number;
};

export type SchemaCacheOptions = {
  /** Takes the table as it is now, whenever it was altered, as long as number and types fit. */
  readonly trustCurrent: boolean;
  readonly tablesMax?: number;
};

type Entry = DescribedTable & {
  readonly db: string;
  readonly table: string;
  /** It held for an event of this stream. */
  readonly proven: boolean;
};

export function createSchemaCache(options: SchemaCacheOptions): SchemaCache {
  const tablesMax = options.tablesMax ?? 2_000;
  const entries = new Map<string, Entry>();
  /** The newest statements that changed something. */
  const seen: { readonly db: string; readonly sql: string }[] = [];
  let since = Number.POSITIVE_INFINITY;

  function alteredAfter(now: DescribedTable, db: string, table: string, timestamp: number) {
    const created = now.created ?? 0;
    if (created !== timestamp || since >= timestamp) return created > timestamp;
    return !seen.some((each) => mayChange(each.db, each.sql, { db, table }));
  }

  function put(entry: Entry) {
    const key = keyOf(entry.db, entry.table);
    entries.delete(key);
    entries.set(key, entry);
    for (const oldest of entries.keys()) {
      if (entries.size <= tablesMax) break;
      entries.delete(oldest);
    }
  }

  /** What was known before and holds for an event of that time. */
  function heldAt(db: string, table: string, timestamp: number): Entry | undefined {
    const entry = entries.get(keyOf(db, table));
    const holds = entry && (entry.proven || (entry.created ?? 0) <= timestamp);
    return holds ? entry : undefined;
  }

  return {
    lookup: (db, table) => entries.get(keyOf(db, table))?.schema,
    async load(connection, db, table, timestamp) {
      since = Math.min(since, timestamp);
      const known = heldAt(db, table, timestamp);
      const now = await describeTable(connection, db, table);
      if (known) {
        // What altered it meanwhile did not go by, so it is ahead in the stream: known still holds.
        const ahead = now === undefined || (now.created ?? 0) >= timestamp;
        return put({ ...known, ...(ahead ? {} : now), proven: true });
      }
      if (now === undefined) {
        entries.delete(keyOf(db, table));
        throw notVisible(db, table);
      }
      if (alteredAfter(now, db, table, timestamp) && !options.trustCurrent) {
        throw altered(db, table, now.created, timestamp);
      }
      put({ ...now, db, table, proven: true });
    },
    async prefetch(connection, wants) {
      for (const found of await describeAll(connection, wants, tablesMax)) {
        if (!entries.has(keyOf(found.db, found.table))) put({ ...found, proven: false });
      }
    },
    statement(db, sql, timestamp) {
      since = Math.min(since, timestamp);
      if (changesNothing.test(sql)) return;
      seen.push({ db, sql: sql.length <= textMax ? sql : "\ufffd" });
      if (seen.length > seenMax) seen.shift();
      for (const [key, entry] of entries) {
        if (mayChange(db, sql, entry)) entries.delete(key);
      }
    },
    get size() {
      return entries.size;
    },
  };
}

const seenMax = 64;
const textMax = 16_384;
const changesNothing = /^\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|START\s|XA\s|RELEASE\s|FLUSH\s)/i;

/** Errs on the side of yes: the statement would have to spell the table's or database's name. */
function mayChange(
  db: string,
  sql: string,
  entry: { readonly db: string; readonly table: string },
): boolean {
  // Bytes that are not UTF-8 may be a name in another character set.
  if (sql.length > textMax || sql.includes("\ufffd")) return true;
  const text = sql.replaceAll("``", "`").toLowerCase();
  if (text.includes(entry.table.toLowerCase())) return true;
  const wholeDb = /\b(database|schema)\b/.test(text);
  return wholeDb && (db === entry.db || text.includes(entry.db.toLowerCase()));
}

/** NUL is in no identifier. */
function keyOf(db: string, table: string): string {
  return `${db}\0${table}`;
}

function notVisible(db: string, table: string): DbusError {
  const message = `${db}.${table} was dropped since its rows were logged, or the account may not see it`;
  const remedy = `GRANT SELECT ON ${quoted(db)}.${quoted(table)} to the account, or ${names}`;
  return new DbusError("SCHEMA_UNKNOWN", message, { remedy, place: { path: `${db}.${table}` } });
}

const names = "SET GLOBAL binlog_row_metadata = FULL for what is written from now on";

function altered(db: string, table: string, at: number | null, logged: number): DbusError {
  const when = (seconds: number) => new Date(seconds * 1000).toISOString();
  const message = `${db}.${table} was altered at ${when(at ?? 0)}, after rows of ${when(logged)}`;
  const remedy = `${names}; if its columns are the same as before, schema: current reads the rest`;
  return new DbusError("SCHEMA_UNKNOWN", message, { remedy, place: { path: `${db}.${table}` } });
}

function quoted(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}
