import type { SchemaLookup } from "./binlog/schema-lookup.ts";
import { isNullable, type TableMap } from "./binlog/table-map.ts";
import type { MysqlConnection } from "./connection.ts";
import { applyStatement, type Change, type Effect } from "./ddl/apply.ts";
import type { TableModel } from "./ddl/table-model.ts";
import type { Flavor } from "./flavor.ts";
import { createKnownTables, type KnownTable } from "./known-tables.ts";
import { altered, notVisible } from "./schema-error.ts";
import type { LogPlace, SchemaHistory } from "./schema-history.ts";
import {
  type DescribedTable,
  databaseCharset,
  describeAll,
  describeTable,
} from "./schema-query.ts";

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
  /** Its names are in the binlog; which of its BINARY columns are of another type is not. */
  readonly named?: boolean;
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

const seenMax = 64;
const textMax = 65_536;
const changesNothing =
  /^\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|START\s|XA\s|RELEASE\s|FLUSH\s|GRANT\s|REVOKE\s|(CREATE|ALTER|DROP)\s+(USER|ROLE)\s|ANALYZE\s|#)/i;

export function createSchemaCache(options: SchemaCacheOptions): SchemaCache {
  const { history } = options;
  const tablesMax = options.tablesMax ?? 2_000;
  const tables = createKnownTables(history, tablesMax);
  /** The newest statements that changed something. */
  const seen: { readonly db: string; readonly sql: string }[] = [];
  let since = Number.POSITIVE_INFINITY;
  let lineage: string | undefined;
  let flavor: Flavor = "mysql";

  function alteredAfter(created: number | null, needed: Needed): boolean {
    const { db, table, timestamp } = needed;
    if (created !== timestamp || since >= timestamp) return (created ?? 0) > timestamp;
    return !seen.some((each) => mayChange(each.db, each.sql, { db, table }));
  }

  function choose(needed: Needed, now: DescribedTable | undefined): KnownTable {
    const { db, table, timestamp, named } = needed;
    const known = tables.heldAt(db, table, timestamp);
    // What was altered at this time or later, and did not go by, is ahead in the stream.
    const ahead = now === undefined || (now.created ?? 0) >= timestamp;
    if (known && ahead) return provenAt(known, timestamp);
    if (now === undefined) throw notVisible(db, table, named);
    if (alteredAfter(now.created, needed) && !options.trustCurrent) {
      throw altered(db, table, now.created, timestamp, named);
    }
    return provenAt({ ...now, db, table, proven: false }, timestamp);
  }

  /** Applies what is understood, and forgets what may have been touched by the rest. */
  function change(statement: Statement) {
    const { db, sql, timestamp, place } = statement;
    const touched = [...tables.all()].filter((known) => mayChange(db, sql, known));
    for (const known of touched) {
      // It was learnt from the server after that statement, and may hold it already.
      if (!known.proven && (known.created ?? 0) > timestamp) tables.forget(known, place);
    }
    const once = apply(statement, new Map());
    if (once === undefined || (isOfItsSecond(touched, timestamp) && !settles(statement, once))) {
      for (const known of touched) tables.forget(known, place);
      if (/\b(table|database|schema)\b/i.test(sql)) tables.mayHaveMore();
      return;
    }
    if (once.emptied !== undefined) tables.emptied(once.emptied, place);
    for (const { db: of, table, model } of once.changes) {
      for (const known of touched) {
        if (sameFolded(known.db, of) && sameFolded(known.table, table)) tables.forget(known, place);
      }
      if (model === null) tables.gone(of, table);
      else tables.put({ db: of, table, model, created: null, proven: true });
      history.note(place, { db: of, table, model, created: null });
    }
  }

  /** `made` stands before what is known. */
  function apply({ db, sql, timestamp }: Statement, made: ReadonlyMap<string, Change>) {
    if (!understood(sql)) return undefined;
    return applyStatement(sql, db, flavor, {
      known(of, table) {
        const change = made.get(`${of}\0${table}`);
        if (change) return change.model ?? undefined;
        return tables.heldAt(of, table, timestamp)?.model;
      },
      absent: (of, table) => tables.absent(of, table, timestamp),
    });
  }

  /**
   * Whether a statement gives the same when it is run on its own result, or cannot be run on it.
   * Then it does not matter whether what we know holds it already; after a swap of names it does.
   */
  function settles(statement: Statement, once: Effect): boolean {
    const made = new Map(once.changes.map((change) => [`${change.db}\0${change.table}`, change]));
    const twice = apply(statement, made);
    return twice === undefined || JSON.stringify(twice) === JSON.stringify(once);
  }

  return {
    lookup(db, table, _id, map) {
      const model = tables.get(db, table)?.model;
      return model && schemaOf(model, map);
    },
    begin(place, of, jumped) {
      flavor = of;
      const first = lineage === undefined;
      const known = first && !jumped ? history.at(place) : [];
      if (first || jumped) tables.clear();
      if (known.length === 0 && (first || jumped || lineage !== place.lineage)) {
        history.restart(place.lineage);
      }
      for (const each of known) tables.put({ ...each, proven: each.created === null });
      lineage = place.lineage;
    },
    async prefetch(connection, wants) {
      const found = await describeAll(connection, wants, tablesMax);
      if (found === undefined) return;
      for (const each of found.tables) {
        if (!tables.get(each.db, each.table)) tables.put({ ...each, proven: false });
      }
      tables.completeFrom(found.asOf);
    },
    async load(connection, needed) {
      const { db, table, timestamp, place } = needed;
      since = Math.min(since, timestamp);
      const now = await describeTable(connection, db, table);
      const chosen = choose(needed, now);
      const model = await withCharsets(connection, chosen, now?.model);
      tables.put({ ...chosen, model });
      history.note(place, { db, table, model, created: chosen.proven ? null : chosen.created });
    },
    statement(statement) {
      since = Math.min(since, statement.timestamp);
      if (changesNothing.test(statement.sql)) return undefined;
      const { db, sql } = statement;
      seen.push({ db, sql: understood(sql) ? sql : "\ufffd" });
      if (seen.length > seenMax) seen.shift();
      change(statement);
      return history.save();
    },
    get size() {
      return tables.size;
    },
  };
}

/** Within the second of its own change a table may hold more than has gone by. */
function provenAt(known: KnownTable, timestamp: number): KnownTable {
  return { ...known, proven: known.proven || (known.created ?? 0) < timestamp };
}

function isOfItsSecond(touched: readonly KnownTable[], timestamp: number): boolean {
  return touched.some((known) => !known.proven && known.created === timestamp);
}

/** Bytes that are not UTF-8 may be a name in another character set. */
function understood(sql: string): boolean {
  return sql.length <= textMax && !sql.includes("\ufffd");
}

/** Errs on the side of yes: the statement would have to spell the table's or database's name. */
function mayChange(
  db: string,
  sql: string,
  entry: { readonly db: string; readonly table: string },
): boolean {
  if (!understood(sql)) return true;
  const text = sql.replaceAll("``", "`").toLowerCase();
  if (spells(text, entry.table.toLowerCase())) return true;
  const wholeDb = /\b(database|schema)\b/.test(text);
  return wholeDb && (db === entry.db || spells(text, entry.db.toLowerCase()));
}

/** Whether the name stands there and is not a part of a longer word; digits may precede it. */
function spells(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at >= 0; at = text.indexOf(name, at + 1)) {
    const before = at > 0 && /[a-z_$\u0080-\uffff]/.test(text.charAt(at - 1));
    if (!before && !/[a-z0-9_$\u0080-\uffff]/.test(text.charAt(at + name.length))) return true;
  }
  return false;
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
  entry: KnownTable,
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
