import { type CheckContext, DbusError } from "#plugin";
import { connectMysql } from "#src/clients/mysql/connection.ts";
import { preflight } from "#src/clients/mysql/preflight.ts";
import { readServerFacts } from "#src/clients/mysql/server-facts.ts";
import { tableFilter } from "#src/clients/mysql/table-patterns.ts";
import { flavorOf, type MysqlbinlogConfig, patternsOf, targetOf } from "./mysqlbinlog-config.ts";

/** Whether the server is reached, takes the login, and can be read from as it is set. */
export async function checkInput(context: CheckContext, config: MysqlbinlogConfig): Promise<void> {
  const connection = await connectMysql(targetOf(config), context.clock, context.signal);
  try {
    context.ok(`reached ${connection.where}, logged in`);
    const facts = await readServerFacts(connection, flavorOf(config));
    const patterns = patternsOf(config);
    const { files, tables } = await preflight(connection, facts, {
      // Where none is set it is drawn at the first start, and not the server's.
      readerServerId: config.serverId ?? -1,
      gtid: config.gtid,
      namesFromBinlog: config.schema === "binlog",
      tables: tableFilter(patterns.databases, patterns.tables),
    });
    const count = files.length === 1 ? "1 file" : `${files.length} files`;
    context.ok(`its binlog can be read, ${count} of it`);
    const { read, seen } = tables;
    const what = `${read} of the ${seen} tables that ${facts.account} sees`;
    if (read > 0) context.ok(`${what} are to be read`);
    else context.warn(new DbusError("MYSQL_TABLE_MISSING", `${what} are to be read`));
  } finally {
    connection.close();
  }
}
