import { DbusError } from "../../errors.ts";
import type { Flavor } from "./binlog/event.ts";
import type { SchemaLookup } from "./binlog/schema-lookup.ts";
import { isNullable, type TableMap } from "./binlog/table-map.ts";
import type { MysqlConnection } from "./connection.ts";
import { applyStatement } from "./ddl/apply.ts";
import type { TableModel } from "./ddl/table-model.ts";
import type { LogPlace, SchemaHistory } from "./schema-history.ts";
import { databaseCharset, describeAll, describeTable } from "./schema-query.ts";

/*
 * Names of columns for servers whose binlog does not carry them. `information_schema` speaks of
 * now, an event of then. What is known of a table holds for an event when
 *
 *   - the table's definition has not changed since before the event was logged (CREATE_TIME), or
 *   - it held for an earlier event of the stream, in this process or one before it, and every
 *     statement since that may have changed the table was understood (`ddl/`);
 *
 * everything else is SCHEMA_UNKNOWN. `table-version.ts` also compares number, types, lengths and
 * nullability of the columns. CREATE_TIME counts seconds: a table altered within the second of an
 * event is taken as altered before it only when that statement went by, or may have before reading
 * began. What this cannot see: a second ALTER within that second, to columns of the same types,
 * of a table that is not known otherwise; and DDL that the server did not log.
 */

/** A QUERY event. */
export type Statement = {
  readonly db: string;
  readonly sql: string;
  /** Unix seconds. */
  readonly timestamp: number;
  /** Behind the beginning of its transaction. */
  readonly place: LogPlace;
};

/** A version of a table whose rows come next. */
export type Needed = {
  readonly db: string;
  readonly table: string;
  readonly timestamp: number;
  /** Where its transaction begins. */
  readonly place: LogPlace;
};

export type SchemaCache = {
  /** Answers from what `load` brought. */
  readonly lookup: SchemaLookup;
  /**
   * Before reading begins: takes what the history knows of this place, unless reading goes on in
   * the same process. `jumped`: what lies between was skipped, so nothing that was known holds.
   */
  begin(place: LogPlace, flavor: Flavor, jumped: boolean): void;
  /** Learns all wanted tables at once, if they are not too many. */
  prefetch(
    connection: MysqlConnection,
    wants: (db: string, table: string) => boolean,
  ): Promise<void>;
  /**
   * Makes `lookup` answer for rows that come next. Called for each new version. Throws
   * SCHEMA_UNKNOWN when the table was altered since and nobody saw how.
   */
  load(connection: MysqlConnection, needed: Needed): Promise<void>;
  /** For every QUERY event that goes by. A promise is to be waited for: it saves the history. */
  statement(statement: Statement): Promise<void> | undefined;
  readonly size: number;
};

export type SchemaCacheOptions = {
  /** Takes the table as it is now, whenever it was altered, as long as number and types fit. */
  readonly trustCurrent: boolean;
  readonly history: SchemaHistory;
  readonly tablesMax?: number;
};

type Entry = {
  readonly db: string;
  readonly table: string;
  readonly model: TableModel;
  /** When it was made like this, Unix seconds; null for what the stream itself told. */
  readonly created: number | null;
  /** It held for an event of this stream. */
  readonly proven: boolean;
};

const seenMax = 64;
const textMax = 65_536;
const changesNothing =
  /^\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|START\s|XA\s|RELEASE\s|FLUSH\s|GRANT\s|ANALYZE\s|#)/i;

export function createSchemaCache(options: SchemaCacheOptions): SchemaCache {
  const { history } = options;
  const tablesMax = options.tablesMax ?? 2_000;
  const entries = new Map<string, Entry>();
  /** The newest statements that changed something. */
  const seen: { readonly db: string; readonly sql: string }[] = [];
  /** Tables of which a statement that was not understood said something. */
  const lost = new Set<string>();
  let since = Number.POSITIVE_INFINITY;
  /** From this second on every wanted table is known, or is not there. */
  let completeSince = Number.POSITIVE_INFINITY;
  let lineage: string | undefined;
  let flavor: Flavor = "mysql";

  function put(entry: Entry) {
    const key = keyOf(entry.db, entry.table);
    entries.delete(key);
    entries.set(key, entry);
    lost.delete(key);
    for (const oldest of entries.keys()) {
      if (entries.size <= tablesMax) break;
      entries.delete(oldest);
      completeSince = Number.POSITIVE_INFINITY;
    }
  }

  function forget(entry: Entry, place: LogPlace) {
    entries.delete(keyOf(entry.db, entry.table));
    if (lost.size < tablesMax) lost.add(keyOf(entry.db, entry.table));
    else completeSince = Number.POSITIVE_INFINITY;
    history.note(place, entry.db, entry.table, null);
  }

  /** What was known before and holds for an event of that time. */
  function heldAt(db: string, table: string, timestamp: number): Entry | undefined {
    const entry = entries.get(keyOf(db, table));
    const holds = entry && (entry.proven || (entry.created ?? 0) <= timestamp);
    return holds ? entry : undefined;
  }

  function alteredAfter(created: number | null, needed: Needed): boolean {
    const { db, table, timestamp } = needed;
    if (created !== timestamp || since >= timestamp) return (created ?? 0) > timestamp;
    return !seen.some((each) => mayChange(each.db, each.sql, { db, table }));
  }

  /** Applies what is understood, and forgets what may have been touched by the rest. */
  function change({ db, sql, timestamp, place }: Statement) {
    const changes =
      sql.length > textMax || sql.includes("\ufffd")
        ? undefined
        : applyStatement(sql, db, flavor, {
            known: (of, table) => heldAt(of, table, timestamp)?.model,
            absent: (of, table) =>
              timestamp > completeSince &&
              !lost.has(keyOf(of, table)) &&
              !entries.has(keyOf(of, table)),
          });
    if (changes === undefined) {
      for (const entry of entries.values()) if (mayChange(db, sql, entry)) forget(entry, place);
      return;
    }
    for (const { db: of, table, model } of changes) {
      for (const entry of entries.values()) {
        const alike = sameFolded(entry.db, of) && sameFolded(entry.table, table);
        if (alike) forget(entry, place);
      }
      if (model === null) lost.delete(keyOf(of, table));
      else put({ db: of, table, model, created: null, proven: true });
      history.note(place, of, table, model);
    }
  }

  return {
    lookup(db, table, _id, map) {
      const model = entries.get(keyOf(db, table))?.model;
      return model && schemaOf(model, map);
    },
    begin(place, of, jumped) {
      flavor = of;
      if (jumped) entries.clear();
      if (jumped || lineage === undefined) {
        lost.clear();
        completeSince = Number.POSITIVE_INFINITY;
      }
      if (jumped) history.restart(place.lineage);
      else if (lineage === undefined) {
        const known = history.at(place);
        if (known.length === 0) history.restart(place.lineage);
        for (const each of known) put({ ...each, created: null, proven: true });
      } else if (lineage !== place.lineage) history.restart(place.lineage);
      lineage = place.lineage;
    },
    async prefetch(connection, wants) {
      const found = await describeAll(connection, wants, tablesMax);
      if (found === undefined) return;
      for (const each of found.tables) {
        if (!entries.has(keyOf(each.db, each.table))) put({ ...each, proven: false });
      }
      completeSince = Math.min(completeSince, found.asOf);
    },
    async load(connection, needed) {
      const { db, table, timestamp, place } = needed;
      since = Math.min(since, timestamp);
      const known = heldAt(db, table, timestamp);
      const now = await describeTable(connection, db, table);
      // What was altered at this time or later, and did not go by, is ahead in the stream.
      const ahead = now === undefined || (now.created ?? 0) >= timestamp;
      let entry: Entry;
      if (known && ahead) entry = { ...known, proven: true };
      else if (now === undefined) throw notVisible(db, table);
      else if (alteredAfter(now.created, needed) && !options.trustCurrent) {
        throw altered(db, table, now.created, timestamp);
      } else entry = { ...now, db, table, proven: true };
      const model = await withCharsets(connection, entry, now?.model);
      put({ ...entry, model });
      history.note(place, db, table, model);
    },
    statement(statement) {
      since = Math.min(since, statement.timestamp);
      if (changesNothing.test(statement.sql)) return undefined;
      const { db, sql } = statement;
      seen.push({ db, sql: sql.length <= textMax ? sql : "\ufffd" });
      if (seen.length > seenMax) seen.shift();
      change(statement);
      return history.save();
    },
    get size() {
      return entries.size;
    },
  };
}

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

function sameFolded(a: string, b: string): boolean {
  return a === b || a.toLowerCase() === b.toLowerCase();
}

/** What a statement left to the server is as the event's own TABLE_MAP says. */
function schemaOf(model: TableModel, map: TableMap) {
  const names = model.columns.map((column) => column.name);
  return {
    columns: model.columns.map((column, n) => ({
      ...{ name: column.name, type: column.type, charset: column.charset ?? null },
      nullable: column.nullable ?? (n < map.columnCount && isNullable(map, n)),
    })),
    primaryKey: model.primaryKey.map((name) => names.indexOf(name)),
  };
}

/** A column without a character set has its database's, or what the same column has now. */
async function withCharsets(
  connection: MysqlConnection,
  entry: Entry,
  now: TableModel | undefined,
): Promise<TableModel> {
  const { model, db } = entry;
  if (model.columns.every((column) => column.charset !== undefined)) return model;
  const byDefault = await databaseCharset(connection, db);
  const columns = model.columns.map((column) => {
    if (column.charset !== undefined) return column;
    const same = now?.columns.find(
      (each) => each.name === column.name && each.type === column.type,
    );
    return { ...column, charset: same?.charset ?? byDefault };
  });
  return { ...model, columns };
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
  const remedy =
    `${names}; if its columns are the same as before, schema: current reads the rest; ` +
    "without a checkpoint start: latest passes over it";
  return new DbusError("SCHEMA_UNKNOWN", message, { remedy, place: { path: `${db}.${table}` } });
}

function quoted(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}
