import type { Flavor } from "../flavor.ts";
import { readAlter, readTableName, type TableName } from "./alter-table.ts";
import { readCreate } from "./create-table.ts";
import { createReader, type Reader } from "./reader.ts";
import type { TableModel } from "./table-model.ts";
import { NotUnderstood, tokenize } from "./tokens.ts";

/** What a statement made of a table: its new definition, or null when it is gone. */
export type Change = {
  readonly db: string;
  readonly table: string;
  readonly model: TableModel | null;
};

export type TablesOfStatement = {
  known(db: string, table: string): TableModel | undefined;
  /** Whether there is surely no such table. */
  absent(db: string, table: string): boolean;
};

/** What a statement did. `emptied` is a database that has no table from now on. */
export type Effect = { readonly changes: readonly Change[]; readonly emptied?: string };

/**
 * What a statement of the binlog makes of tables that are known. Undefined: it is not understood
 * for sure, and whatever it may touch is not known any more.
 */
export function applyStatement(
  sql: string,
  defaultDb: string,
  flavor: Flavor,
  tables: TablesOfStatement,
): Effect | undefined {
  try {
    const context = { defaultDb, flavor, ...tables };
    const emptied = emptiedBy(createReader(tokenize(sql, flavor)));
    if (emptied) return emptied;
    const changes = statement(createReader(tokenize(sql, flavor)), context);
    return changes && { changes };
  } catch (thrown) {
    if (thrown instanceof NotUnderstood) return undefined;
    throw thrown;
  }
}

type Context = TablesOfStatement & { readonly defaultDb: string; readonly flavor: Flavor };

/** CREATE DATABASE of one that was not there, and DROP DATABASE. */
function emptiedBy(reader: Reader): Effect | undefined {
  const creates = reader.take("CREATE");
  if (!creates && !reader.take("DROP")) return undefined;
  if (!reader.take("DATABASE") && !reader.take("SCHEMA")) return undefined;
  if (creates && reader.take("IF", "NOT", "EXISTS")) return { changes: [] };
  reader.take("IF", "EXISTS");
  return { changes: [], emptied: reader.name() };
}

function statement(reader: Reader, context: Context): readonly Change[] | undefined {
  if (reader.take("CREATE")) return create(reader, context);
  if (reader.take("ALTER")) return alter(reader, context);
  if (reader.take("RENAME", "TABLE") || reader.take("RENAME", "TABLES")) {
    return rename(reader, context);
  }
  if (reader.take("DROP")) return drop(reader, context);
  if (reader.take("TRUNCATE")) return [];
  return undefined;
}

function create(reader: Reader, context: Context): readonly Change[] | undefined {
  const replaces = reader.take("OR", "REPLACE");
  if (reader.take("TEMPORARY")) return [];
  for (const word of ["UNIQUE", "FULLTEXT", "SPATIAL"]) reader.take(word);
  if (reader.take("INDEX")) return [];
  if (!reader.take("TABLE")) return undefined;
  const unlessThere = reader.take("IF", "NOT", "EXISTS");
  const name = whole(readTableName(reader), context);
  // It is logged also when the table was there.
  if (unlessThere && !replaces && !context.absent(name.db, name.table)) {
    return context.known(name.db, name.table) ? [] : undefined;
  }
  const model = like(reader, context) ?? readCreate(reader, context.flavor);
  return [{ ...name, model }];
}

function like(reader: Reader, context: Context): TableModel | undefined {
  const parenthesis = reader.peek()?.text === "(" && /^like$/i.test(reader.peek(1)?.text ?? "");
  if (parenthesis) reader.takeMark("(");
  if (!reader.take("LIKE")) return undefined;
  const other = whole(readTableName(reader), context);
  const model = context.known(other.db, other.table);
  if (model === undefined) throw new NotUnderstood("like a table that is not known");
  return model;
}

function alter(reader: Reader, context: Context): readonly Change[] | undefined {
  reader.take("ONLINE");
  reader.take("IGNORE");
  if (!reader.take("TABLE")) return undefined;
  const ifThere = reader.take("IF", "EXISTS");
  const name = whole(readTableName(reader), context);
  if (reader.take("WAIT")) reader.next();
  else reader.take("NOWAIT");
  const before = context.known(name.db, name.table);
  if (before === undefined || ifThere) return undefined;
  const { table, renamedTo } = readAlter(reader, before, context.flavor);
  if (renamedTo === undefined) return [{ ...name, model: table }];
  return [
    { ...name, model: null },
    { ...whole(renamedTo, context), model: table },
  ];
}

/** From left to right, as in `RENAME TABLE a TO old, new TO a`. */
function rename(reader: Reader, context: Context): readonly Change[] | undefined {
  const changes: Change[] = [];
  const now = (db: string, table: string) => {
    const change = changes.findLast((each) => each.db === db && each.table === table);
    return change ? (change.model ?? undefined) : context.known(db, table);
  };
  do {
    const from = whole(readTableName(reader), context);
    if (!reader.take("TO")) return undefined;
    const to = whole(readTableName(reader), context);
    const model = now(from.db, from.table);
    if (model === undefined) return undefined;
    changes.push({ ...from, model: null }, { ...to, model });
  } while (reader.takeMark(","));
  return changes;
}

function drop(reader: Reader, context: Context): readonly Change[] | undefined {
  if (reader.take("TEMPORARY")) return [];
  if (reader.take("INDEX")) return /^primary$/i.test(reader.name()) ? undefined : [];
  if (!reader.take("TABLE") && !reader.take("TABLES")) return undefined;
  reader.take("IF", "EXISTS");
  const changes: Change[] = [];
  do changes.push({ ...whole(readTableName(reader), context), model: null });
  while (reader.takeMark(","));
  return changes;
}

function whole(name: TableName, context: Context): { db: string; table: string } {
  const db = name.db ?? context.defaultDb;
  if (db === "") throw new NotUnderstood("a table of no database");
  return { db, table: name.table };
}
