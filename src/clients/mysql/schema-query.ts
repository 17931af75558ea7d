import type { MysqlConnection, MysqlRow } from "./connection.ts";
import { charsetOfCollation } from "./ddl/column.ts";
import type { ModelColumn, TableModel } from "./ddl/table-model.ts";
import { NotUnderstood } from "./ddl/tokens.ts";

/** A table as the server describes it now. */
export type DescribedTable = {
  readonly model: TableModel;
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
    const before = await tableRow(connection, db, table);
    const columns = exactly(await connection.query(columnsOf, [db, table]), table);
    const key = exactly(await connection.query(primaryKeyOf, [db, table]), table);
    const after = await tableRow(connection, db, table);
    if (createdOf(before) !== createdOf(after) && attempt < attemptsMax) continue;
    if (columns.length === 0) return undefined;
    return { model: tableModel(columns, key, after), created: createdOf(after) };
  }
}

export type ManyTables = {
  readonly tables: readonly (DescribedTable & { readonly db: string; readonly table: string })[];
  /** The server's clock before it was asked, Unix seconds. */
  readonly asOf: number;
};

/**
 * All tables that the filter wants, or undefined when there are more than `tablesMax`: that many
 * are read one by one when rows of theirs come. A table that is altered meanwhile is left out.
 */
export async function describeAll(
  connection: MysqlConnection,
  wants: (db: string, table: string) => boolean,
  tablesMax: number,
): Promise<ManyTables | undefined> {
  const [clock] = await connection.query("SELECT UNIX_TIMESTAMP() AS now");
  const before = await connection.query(tablesOfAll);
  const wanted = before.filter((row) => wants(String(row.db), String(row.tbl)));
  if (wanted.length > tablesMax) return undefined;
  const columns: MysqlRow[] = [];
  const keys: MysqlRow[] = [];
  for (const db of new Set(wanted.map((row) => String(row.db)))) {
    columns.push(...(await connection.query(columnsOfAll, [db])));
    keys.push(...(await connection.query(primaryKeysOfAll, [db])));
  }
  const after = groupOf(await connection.query(tablesOfAll));
  const columnsBy = groupOf(columns);
  const keysBy = groupOf(keys);
  const tables = wanted.flatMap((row) => {
    const name = nameOf(row);
    const own = columnsBy.get(name) ?? [];
    const created = createdOf(row);
    if (own.length === 0 || created !== createdOf(after.get(name)?.[0])) return [];
    const model = tableModel(own, keysBy.get(name) ?? [], row);
    return [{ db: String(row.db), table: String(row.tbl), model, created }];
  });
  return { tables, asOf: Number(clock?.now ?? 0) };
}

/** The tables that the account sees, without those of the server itself. */
export async function namesOfAll(
  connection: MysqlConnection,
): Promise<readonly { readonly db: string; readonly table: string }[]> {
  const rows = await connection.query(`SELECT TABLE_SCHEMA AS db, TABLE_NAME AS tbl ${ofAll}`);
  return rows.map(({ db, tbl }) => ({ db: String(db), table: String(tbl) }));
}

/** The character set of tables of a database that name none. */
export async function databaseCharset(
  connection: MysqlConnection,
  db: string,
): Promise<string | undefined> {
  const [row] = await connection.query(
    `SELECT DEFAULT_CHARACTER_SET_NAME AS charset FROM information_schema.SCHEMATA
      WHERE SCHEMA_NAME = ?`,
    [db],
  );
  return row?.charset === undefined || row.charset === null ? undefined : String(row.charset);
}

const columnFields = `TABLE_SCHEMA AS db, TABLE_NAME AS tbl, COLUMN_NAME AS name,
  COLUMN_TYPE AS type, CHARACTER_SET_NAME AS charset, IS_NULLABLE AS nullable
  FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ?`;
const columnsOf = `SELECT ${columnFields} AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`;
const columnsOfAll = `SELECT ${columnFields} ORDER BY ORDINAL_POSITION`;

const keyFields = `TABLE_SCHEMA AS db, TABLE_NAME AS tbl, COLUMN_NAME AS name
  FROM information_schema.STATISTICS WHERE INDEX_NAME = 'PRIMARY' AND TABLE_SCHEMA = ?`;
const primaryKeyOf = `SELECT ${keyFields} AND TABLE_NAME = ? ORDER BY SEQ_IN_INDEX`;
const primaryKeysOfAll = `SELECT ${keyFields} ORDER BY SEQ_IN_INDEX`;

const tableFields = `TABLE_SCHEMA AS db, TABLE_NAME AS tbl,
  UNIX_TIMESTAMP(CREATE_TIME) AS created, TABLE_COLLATION AS collation`;
const ofAll = `FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE'
  AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')`;
const tableOf = `SELECT ${tableFields} FROM information_schema.TABLES
  WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`;
const tablesOfAll = `SELECT ${tableFields} ${ofAll}`;

async function tableRow(connection: MysqlConnection, db: string, table: string) {
  return exactly(await connection.query(tableOf, [db, table]), table)[0];
}

function createdOf(row: MysqlRow | undefined): number | null {
  return row?.created === undefined || row.created === null
    ? null
    : Math.floor(Number(row.created));
}

/** The server may compare names without case, and then answers for `Foo` and `foo` alike. */
function exactly(rows: readonly MysqlRow[], table: string): readonly MysqlRow[] {
  const same = rows.filter((row) => row.tbl === table);
  return same.length > 0 ? same : rows;
}

function groupOf(rows: readonly MysqlRow[]): Map<string, MysqlRow[]> {
  const groups = new Map<string, MysqlRow[]>();
  for (const row of rows) {
    const group = groups.get(nameOf(row));
    if (group) group.push(row);
    else groups.set(nameOf(row), [row]);
  }
  return groups;
}

/** NUL is in no identifier. */
function nameOf(row: MysqlRow): string {
  return `${row.db}\0${row.tbl}`;
}

function tableModel(
  columns: readonly MysqlRow[],
  key: readonly MysqlRow[],
  table: MysqlRow | undefined,
): TableModel {
  return {
    columns: columns.map(
      (row): ModelColumn => ({
        name: String(row.name),
        type: String(row.type),
        charset: row.charset === null ? null : String(row.charset),
        nullable: row.nullable === "YES",
      }),
    ),
    primaryKey: key.map((row) => String(row.name)),
    charset: tableCharset(table?.collation),
  };
}

function tableCharset(collation: unknown): string | undefined {
  if (typeof collation !== "string") return undefined;
  try {
    return charsetOfCollation(collation);
  } catch (thrown) {
    if (thrown instanceof NotUnderstood) return undefined;
    throw thrown;
  }
}
