import { DbusError, type ErrorCode } from "../../errors.ts";

/** What the driver rejects with: `errno` is the server's number when `sqlState` is set. */
type DriverError = {
  readonly code?: string;
  readonly errno?: number;
  readonly message?: string;
};

/** Numbers of the servers' error lists (MySQL 9.7 and MariaDB 10.11 reference manuals). */
const byNumber: Readonly<Record<number, ErrorCode>> = {
  1040: "MYSQL_BUSY", // too many connections
  1129: "MYSQL_BUSY", // host blocked after many failed connects
  1203: "MYSQL_BUSY", // max_user_connections
  1226: "MYSQL_BUSY", // a limit of the account is used up
  1053: "MYSQL_UNREACHABLE", // shutdown in progress
  1927: "MYSQL_UNREACHABLE", // MariaDB: connection was killed
  3169: "MYSQL_UNREACHABLE", // MySQL: session was killed
  4031: "MYSQL_UNREACHABLE", // closed because of inactivity
  1044: "MYSQL_ACCESS_DENIED",
  1045: "MYSQL_ACCESS_DENIED",
  1130: "MYSQL_ACCESS_DENIED", // host is not allowed to connect
  1251: "MYSQL_ACCESS_DENIED", // authentication protocol not supported
  1524: "MYSQL_ACCESS_DENIED", // the account's plugin is not loaded
  1698: "MYSQL_ACCESS_DENIED",
  1820: "MYSQL_ACCESS_DENIED", // the password must be changed first
  1862: "MYSQL_ACCESS_DENIED", // the password has expired
  3118: "MYSQL_ACCESS_DENIED", // MySQL: account locked
  3955: "MYSQL_ACCESS_DENIED", // MySQL: blocked after many failed logins
  4151: "MYSQL_ACCESS_DENIED", // MariaDB: account locked
  1142: "MYSQL_GRANT",
  1227: "MYSQL_GRANT",
  3159: "MYSQL_TLS", // require_secure_transport
};

const byDriverCode: Readonly<Record<string, ErrorCode>> = {
  HANDSHAKE_NO_SSL_SUPPORT: "MYSQL_TLS",
  HANDSHAKE_SSL_ERROR: "MYSQL_TLS",
  AUTH_SWITCH_PLUGIN_ERROR: "MYSQL_ACCESS_DENIED",
  MYSQL_CLEAR_PASSWORD_NOT_ENABLED: "MYSQL_ACCESS_DENIED",
  HANDSHAKE_UNKNOWN_ERROR: "MYSQL_PROTOCOL",
  PROTOCOL_UNEXPECTED_PACKET: "MYSQL_PROTOCOL",
  PROTOCOL_ERROR: "MYSQL_PROTOCOL",
  PROTOCOL_CONNECTION_LOST: "MYSQL_UNREACHABLE",
};

const networkCodes = new Set(
  `EACCES ECONNREFUSED ECONNRESET ECONNABORTED ECONNCLOSED EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH
   EHOSTDOWN ENETDOWN ENOTFOUND EAI_AGAIN EAI_FAIL EADDRNOTAVAIL ESHUTDOWN ECANCELED ENOTCONN
   ERR_SOCKET_CLOSED ERR_STREAM_DESTROYED ERR_STREAM_WRITE_AFTER_END`.split(/\s+/),
);

/**
 * The code for what mysql2 3.24 or a server's ERR packet says. `where` is `host:port`; messages of
 * the server name accounts and hosts, never passwords.
 */
export function mysqlError(thrown: unknown, where: string, doing = "connecting"): DbusError {
  if (thrown instanceof DbusError) return thrown;
  const error = (thrown ?? {}) as DriverError;
  const code = codeOf(error);
  const detail = error.message || error.code || String(thrown);
  return new DbusError(code, `${where}: ${doing}: ${detail}`, { cause: thrown });
}

function codeOf(error: DriverError): ErrorCode {
  const name = error.code ?? "";
  // Node and Bun give errno to socket errors as well, negative or small.
  const known = error.errno === undefined ? undefined : byNumber[error.errno];
  if (known) return known;
  const driver = byDriverCode[name];
  if (driver) return driver;
  if (networkCodes.has(name)) return "MYSQL_UNREACHABLE";
  if (/Authentication|authentication plugin/.test(error.message ?? "")) {
    return "MYSQL_ACCESS_DENIED";
  }
  if (/^(ERR_(SSL|TLS)|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED)/.test(name)) return "MYSQL_TLS";
  return "MYSQL_QUERY";
}
