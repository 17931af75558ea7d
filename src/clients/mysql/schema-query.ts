import type { SchemaColumn, TableSchema } from "./binlog/schema-lookup.ts";
import type { MysqlConnection, MysqlRow } from "./connection.ts";

/** A table as the server describes it now. */
export type DescribedTable = {
  readonly schema: TableSchema;
  /** When its definition last changed, Unix seconds on the server's clock; null if unknown. */
  readonly created: number | null;
};

const attemptsMax = 5;

/**
 * Asks `information_schema`; undefined for a table that is not there, or that the account may not
 * see. Both servers set CREATE_TIME at each ALTER, also at an instant one (seen with MySQL 9.7 and
 * MariaDB 10.11), so the same time before and after means that nobody altered it in between.
 */
export async function describeTable(
  connection: MysqlConnection,
  db: string,
  table: string,
): Promise<DescribedTable | undefined> {
  for (let attempt = 1; ; attempt++) {
    const before = await createdAt(connection, db, table);
    const columns = exactly(await connection.query(columnsOf, [db, table]), table);
    const key = exactly(await connection.query(primaryKeyOf, [db, table]), table);
    const after = await createdAt(connection, db, table);
    if (before !== after && attempt < attemptsMax) continue;
    if (columns.length === 0) return undefined;
    return { schema: tableSchema(columns, key), created: after };
  }
}

/**
 * All tables that the filter wants, or none of them when there are more than `tablesMax`: that
 * many are read one by one when rows of theirs come.
 */
export async function describeAll(
  connection: MysqlConnection,
  wants: (db: string, table: string) => boolean,
  tablesMax: number,
): Promise<(DescribedTable & { readonly db: string; readonly table: string })[]> {
  const listed = await connection.query(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS tbl FROM information_schema.TABLES
      WHERE TABLE_TYPE = 'BASE TABLE'
      AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')`,
  );
  const names = listed.map((row) => ({ db: String(row.db), table: String(row.tbl) }));
  const wanted = names.filter(({ db, table }) => wants(db, table));
  if (wanted.length > tablesMax) return [];
  const described: (DescribedTable & { db: string; table: string })[] = [];
  for (const { db, table } of wanted) {
    const found = await describeTable(connection, db, table);
    if (found) described.push({ ...found, db, table });
  }
  return described;
}

const columnsOf = `SELECT TABLE_NAME AS tbl, COLUMN_NAME AS name, COLUMN_TYPE AS type,
  CHARACTER_SET_NAME AS charset, IS_NULLABLE AS nullable FROM information_schema.COLUMNS
  WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`;

const primaryKeyOf = `SELECT TABLE_NAME AS tbl, COLUMN_NAME AS name FROM information_schema.STATISTICS
  WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX`;

const createdOf = `SELECT TABLE_NAME AS tbl, UNIX_TIMESTAMP(CREATE_TIME) AS created
  FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`;

async function createdAt(connection: MysqlConnection, db: string, table: string) {
  const [row] = exactly(await connection.query(createdOf, [db, table]), table);
  return row?.created === undefined || row.created === null
    ? null
    : Math.floor(Number(row.created));
}

/** The server may compare names without case, and then answers for `Foo` and `foo` alike. */
function exactly(rows: readonly MysqlRow[], table: string): readonly MysqlRow[] {
  const same = rows.filter((row) => row.tbl === table);
  return same.length > 0 ? same : rows;
}

function tableSchema(columns: readonly MysqlRow[], key: readonly MysqlRow[]): TableSchema {
  const names = columns.map((row) => row.name);
  return {
    columns: columns.map(
      (row): SchemaColumn => ({
        name: String(row.name),
        type: String(row.type),
        charset: row.charset === null ? null : String(row.charset),
        nullable: row.nullable === "YES",
      }),
    ),
    primaryKey: key.map((row) => names.indexOf(row.name ?? null)),
  };
}
