import { DbusError, type ErrorCode } from "../../errors.ts";
import { mysqlError } from "./mysql-error.ts";
import type { ServerError } from "./reply.ts";

const sourceError = 1236;
/** ER_SLAVE_SAME_ID of MariaDB; MySQL says it by a 1236 like all the rest. */
const slaveSameId = 4052;

/**
 * What an error 1236 means can only be told from its text (`ER_SOURCE_FATAL_ERROR_READING_BINLOG`;
 * the texts are in `rpl_binlog_sender.cc` of MySQL and `sql_repl.cc` of MariaDB). Only the first
 * group says that the position is gone; all others leave it where it is.
 */
const meanings: readonly (readonly [RegExp, ErrorCode])[] = [
  [/same server_(uu)?id|same server_uuid\/server_id/i, "MYSQL_SERVER_ID_CLASH"],
  [/could not find first log/i, "POSITION_LOST"],
  [/position > file size|impossible position/i, "POSITION_LOST"],
  [/purged (the )?required binary logs|purged binary logs containing GTIDs/i, "POSITION_LOST"],
  [/required binlog files have been purged/i, "POSITION_LOST"],
  [/not in the (master|source|primary)'s binlog/i, "POSITION_LOST"],
  [/has more GTIDs than/i, "POSITION_LOST"],
  [/binary log is not open/i, "MYSQL_BINLOG_OFF"],
  [/server id was not set/i, "MYSQL_SERVER_ID"],
  [/GTID_MODE/i, "MYSQL_GTID_OFF"],
  [/max_allowed_packet/i, "MYSQL_EVENT_TOO_LARGE"],
  [/bogus data|crc|checksum|truncated in the middle|corrupt/i, "MYSQL_BINLOG_CORRUPT"],
];

/** The code for an ERR message that ends a binlog stream, or refuses one. */
export function dumpError(error: ServerError, where: string): DbusError {
  const { errno, message } = error;
  if (errno === slaveSameId) return refused("MYSQL_SERVER_ID_CLASH", error, where);
  if (errno === sourceError) {
    const meaning = meanings.find(([text]) => text.test(message));
    return refused(meaning?.[1] ?? "MYSQL_DUMP_REFUSED", error, where);
  }
  const known = mysqlError({ errno, message }, where, "reading the binlog");
  return known.code === "MYSQL_QUERY" ? refused("MYSQL_DUMP_REFUSED", error, where) : known;
}

function refused(code: ErrorCode, error: ServerError, where: string): DbusError {
  return new DbusError(code, `${where}: error ${error.errno}: ${error.message}`);
}
