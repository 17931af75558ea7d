import { DbusError } from "../../errors.ts";
import type { TableFilter } from "./binlog/table-filter.ts";
import type { MysqlConnection } from "./connection.ts";
import { namesOfAll } from "./schema-query.ts";
import { type BinlogFile, readBinlogFiles, type ServerFacts } from "./server-facts.ts";

export type PreflightOptions = {
  /** The server id that the reader will register under. */
  readonly readerServerId: number;
  /** `on`: reading by file and offset will not do. */
  readonly gtid: "auto" | "on" | "off";
  /** Names of columns must come with the binlog. */
  readonly namesFromBinlog: boolean;
  /** Which tables are to be read. */
  readonly tables: TableFilter;
};

export type Preflight = {
  readonly files: readonly BinlogFile[];
  /** How many tables the account sees, which may be none, and how many of them are to be read. */
  readonly tables: { readonly seen: number; readonly read: number };
  /** What works, but not as well as it could; each with the statement that mends it. */
  readonly warnings: string[];
};

/**
 * Checks that the server can be read from, before it is asked to stream. Throws MYSQL_BINLOG_OFF,
 * MYSQL_BINLOG_FORMAT, MYSQL_PARTIAL_JSON, MYSQL_SERVER_ID, MYSQL_SERVER_ID_CLASH, MYSQL_GTID_OFF,
 * MYSQL_GRANT or SCHEMA_UNKNOWN, each with the statement that repairs it. Changes nothing there.
 */
export async function preflight(
  connection: MysqlConnection,
  facts: ServerFacts,
  options: PreflightOptions,
): Promise<Preflight> {
  checkSettings(connection.where, facts, options);
  const files = await granted(facts, () => readBinlogFiles(connection));
  const seen = await namesOfAll(connection);
  const read = seen.filter(({ db, table }) => options.tables(db, table)).length;
  const warnings = warningsOf(facts);
  // An account that may only replicate sees no table, and reads them all the same.
  if (seen.length > 0 && read === 0) {
    const why = `none of the ${seen.length} tables that ${facts.account} sees is to be read`;
    warnings.push(`${why}: look at databases, tables and the database in dsn; those that come are`);
  }
  return { files, tables: { seen: seen.length, read }, warnings };
}

function checkSettings(where: string, facts: ServerFacts, options: PreflightOptions): void {
  if (!facts.binlogOn) throw new DbusError("MYSQL_BINLOG_OFF", `${where}: log_bin is OFF`);
  if (facts.serverId === 0) throw new DbusError("MYSQL_SERVER_ID", `${where}: server_id is 0`);
  if (facts.format !== "" && facts.format !== "ROW") {
    throw new DbusError("MYSQL_BINLOG_FORMAT", `${where}: binlog_format is ${facts.format}`);
  }
  if (facts.rowValueOptions !== "") {
    const message = `${where}: binlog_row_value_options is ${facts.rowValueOptions}`;
    throw new DbusError("MYSQL_PARTIAL_JSON", message);
  }
  if (facts.serverId === options.readerServerId) {
    const message = `${where}: the server itself has server_id ${facts.serverId}`;
    throw new DbusError("MYSQL_SERVER_ID_CLASH", message);
  }
  if (options.gtid === "on" && !facts.gtidOn) {
    throw new DbusError("MYSQL_GTID_OFF", `${where}: gtid_mode is not ON`);
  }
  if (options.namesFromBinlog && facts.rowMetadata !== "FULL") {
    const message = `${where}: binlog_row_metadata is ${facts.rowMetadata || "unknown"}, not FULL`;
    throw new DbusError("SCHEMA_UNKNOWN", message, { remedy: fullMetadata });
  }
}

const fullMetadata = "SET GLOBAL binlog_row_metadata = FULL";

function warningsOf(facts: ServerFacts): string[] {
  const warnings: string[] = [];
  if (facts.rowMetadata !== "FULL") {
    const why = "the binlog has no column names: they are read from the tables as they are now";
    warnings.push(`${why}; ${fullMetadata} makes that safe across ALTER TABLE`);
  }
  if (facts.rowImage !== "FULL" && facts.rowImage !== "") {
    const why = `binlog_row_image is ${facts.rowImage}: rows lack the columns that did not change`;
    warnings.push(`${why}; SET GLOBAL binlog_row_image = 'FULL' brings them`);
  }
  return warnings;
}

/** Runs what needs a replication privilege; says how to grant it when it is missing. */
export async function granted<T>(facts: ServerFacts, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    if (!(thrown instanceof DbusError) || thrown.code !== "MYSQL_GRANT") throw thrown;
    throw new DbusError("MYSQL_GRANT", thrown.message, {
      cause: thrown,
      remedy: grantStatement(facts),
    });
  }
}

/** MariaDB 10.5 split REPLICATION CLIENT; the old name still grants the same there. */
function grantStatement(facts: ServerFacts): string {
  const monitor = facts.flavor === "mariadb" ? "BINLOG MONITOR" : "REPLICATION CLIENT";
  return `GRANT REPLICATION SLAVE, ${monitor} ON *.* TO ${facts.account}`;
}
