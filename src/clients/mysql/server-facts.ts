import type { MysqlConnection } from "./connection.ts";
import type { Flavor } from "./flavor.ts";

export type BinlogFile = { readonly name: string; readonly bytes: number };

/** What a server says of itself; variables that it does not know are empty. */
export type ServerFacts = {
  readonly flavor: Flavor;
  readonly version: string;
  /** Whose files and offsets these are: server_uuid, on MariaDB `server-id-<n>`. */
  readonly lineage: string;
  readonly serverId: number;
  readonly binlogOn: boolean;
  readonly format: string;
  readonly rowImage: string;
  readonly rowMetadata: string;
  readonly rowValueOptions: string;
  /** The most bytes of an event with several rows; the default of both where it is not told. */
  readonly rowEventBytesMax: number;
  /** Whether each transaction has a GTID: always so on MariaDB, gtid_mode=ON on MySQL. */
  readonly gtidOn: boolean;
  /** As SQL spells it: `'user'@'host'`. */
  readonly account: string;
};

/** Where a server's binlog ends now; `gtid` is null where it has none. */
export type BinlogEnd = {
  readonly file: string;
  readonly pos: number;
  readonly gtid: string | null;
};

const variables = [
  ...["version", "version_comment", "server_id", "server_uuid", "log_bin", "binlog_format"],
  ...["binlog_row_image", "binlog_row_metadata", "binlog_row_value_options", "gtid_mode"],
  "binlog_row_event_max_size",
];

/** Asks for what needs no privilege. */
export async function readServerFacts(
  connection: MysqlConnection,
  wanted: Flavor | "auto" = "auto",
): Promise<ServerFacts> {
  const names = variables.map((name) => `'${name}'`).join(", ");
  const rows = await connection.query(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${names})`);
  const known = new Map(rows.map((row) => [row.Variable_name, String(row.Value ?? "")]));
  const get = (name: string) => known.get(name) ?? "";
  const version = get("version");
  const isMariadb = /mariadb/i.test(`${version} ${get("version_comment")}`);
  const flavor = wanted === "auto" ? (isMariadb ? "mariadb" : "mysql") : wanted;
  const who = await connection.query("SELECT CURRENT_USER() AS account");
  return {
    ...{ flavor, version, serverId: Number(get("server_id")) },
    lineage: get("server_uuid") || `server-id-${get("server_id")}`,
    binlogOn: /^(ON|1)$/i.test(get("log_bin")),
    format: get("binlog_format").toUpperCase(),
    rowImage: get("binlog_row_image").toUpperCase(),
    rowMetadata: get("binlog_row_metadata").toUpperCase(),
    rowValueOptions: get("binlog_row_value_options").toUpperCase(),
    rowEventBytesMax: Number(get("binlog_row_event_max_size")) || 8192,
    gtidOn: flavor === "mariadb" || get("gtid_mode").toUpperCase() === "ON",
    account: quotedAccount(String(who[0]?.account ?? "")),
  };
}

/** The files that the server still has, oldest first. Needs REPLICATION CLIENT. */
export async function readBinlogFiles(connection: MysqlConnection): Promise<BinlogFile[]> {
  const rows = await connection.query("SHOW BINARY LOGS");
  return rows.map((row) => ({ name: String(row.Log_name), bytes: Number(row.File_size) }));
}

/** Where the next event will be written. Needs REPLICATION CLIENT. */
export async function readBinlogEnd(
  connection: MysqlConnection,
  facts: ServerFacts,
): Promise<BinlogEnd> {
  const [row] = await connection.query(statusStatement(facts));
  const file = String(row?.File ?? "");
  const pos = Number(row?.Position ?? 4);
  if (facts.flavor === "mariadb") {
    return { file, pos, gtid: await mariadbGtidAt(connection, file, pos) };
  }
  const set = String(row?.Executed_Gtid_Set ?? "").replaceAll("\n", "");
  return { file, pos, gtid: facts.gtidOn ? set : null };
}

/** SHOW MASTER STATUS is gone since MySQL 8.4, its successor came with 8.2. */
function statusStatement(facts: ServerFacts): string {
  if (facts.flavor === "mariadb") return "SHOW MASTER STATUS";
  const [major = 0, minor = 0] = facts.version.split(".").map((part) => Number.parseInt(part, 10));
  const renamed = major > 8 || (major === 8 && minor >= 2);
  return renamed ? "SHOW BINARY LOG STATUS" : "SHOW MASTER STATUS";
}

/** The GTID state of MariaDB before an offset; null where the server cannot tell. */
export async function mariadbGtidAt(
  connection: MysqlConnection,
  file: string,
  pos: number,
): Promise<string | null> {
  const rows = await connection.query("SELECT BINLOG_GTID_POS(?, ?) AS gtid", [file, pos]);
  const gtid = rows[0]?.gtid;
  return typeof gtid === "string" && gtid !== "" ? gtid : null;
}

function quotedAccount(account: string): string {
  const at = account.lastIndexOf("@");
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
  return `${quote(account.slice(0, at))}@${quote(account.slice(at + 1))}`;
}
