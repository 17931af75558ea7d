import { readFile } from "node:fs/promises";
import type { Duplex } from "node:stream";
import type { Connection, ConnectionOptions } from "mysql2";
import type { Clock } from "../../clock.ts";
import { DbusError } from "../../errors.ts";
import { mysqlError } from "./mysql-error.ts";

/**
 * `require` encrypts and believes any certificate, `verify-ca` wants one that the CA signed,
 * `verify-full` also wants it to name the host. None falls back to plain text.
 */
export type TlsMode = "disable" | "require" | "verify-ca" | "verify-full";

export type MysqlTarget = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly tls: TlsMode;
  /** PEM text, or the path of a file with it; the system's authorities without one. */
  readonly tlsCa: string | undefined;
  /** For the TCP connection, TLS and the login together. */
  readonly connectTimeoutMs: number;
  /** For the answer to one statement. */
  readonly queryTimeoutMs: number;
};

/** A value as text, except small integers; null is SQL NULL. Nothing loses digits. */
export type MysqlRow = Readonly<Record<string, string | number | null>>;

export type MysqlConnection = {
  /** `host:port`, for messages. */
  readonly where: string;
  /** False once it was closed, by either side, or its socket was taken. */
  readonly open: boolean;
  /** Runs one statement; `values` fill its placeholders on the server. Throws `DbusError`. */
  query(sql: string, values?: readonly (string | number)[]): Promise<readonly MysqlRow[]>;
  /**
   * Takes the authenticated socket out of the driver's hands, paused. No query may run any more;
   * whoever takes it destroys it.
   */
  takeSocket(): Duplex;
  /** Says goodbye and closes. Safe to call twice. */
  close(): void;
};

/**
 * Connects, authenticates (`caching_sha2_password`, `mysql_native_password`, `sha256_password`)
 * and sets the session up. The name is resolved anew at each call. Raises MYSQL_UNREACHABLE,
 * MYSQL_BUSY, MYSQL_ACCESS_DENIED, MYSQL_TLS, MYSQL_PROTOCOL.
 */
export async function connectMysql(
  target: MysqlTarget,
  clock: Clock,
  signal?: AbortSignal,
): Promise<MysqlConnection> {
  const where = `${target.host}:${target.port}`;
  const options = await driverOptions(target, where);
  if (signal?.aborted) throw stopped(where);
  // Loaded by the first that connects: a bus without MySQL is 10 MB smaller.
  const { createConnection } = await import("mysql2");
  const driver = createConnection(options);
  guardPackets(driver);
  // Before anything comes: the driver reports on the connection what no command waits for, and that
  // must not be uncaught. Whoever reads the socket learns of its end there.
  const connection = mysqlConnection(driver, where, target.queryTimeoutMs, clock);
  try {
    await connected(driver, where, signal);
  } catch (thrown) {
    driver.destroy();
    throw mysqlError(thrown, where);
  }
  return connection;
}

/** An error that nobody asked for is read without regard to its end: what that throws would be uncaught. */
function guardPackets(driver: Connection): void {
  const inner = driver as unknown as { handlePacket(packet: unknown): void };
  const handle = inner.handlePacket.bind(driver);
  inner.handlePacket = (packet) => {
    try {
      handle(packet);
    } catch (error) {
      driver.emit("error", Object.assign(error as Error, { code: "PROTOCOL_ERROR" }));
      driver.destroy();
    }
  };
}

async function driverOptions(target: MysqlTarget, where: string): Promise<ConnectionOptions> {
  const { host, port, user, password } = target;
  return {
    ...{ host, port, user, password, connectTimeout: target.connectTimeoutMs },
    ...(target.tls === "disable" ? {} : { ssl: await tlsOptions(target, where) }),
    charset: "utf8mb4",
    // A server may ask any client for its files by LOCAL INFILE: do not even offer it.
    flags: ["-LOCAL_FILES"],
    ...{ supportBigNumbers: true, bigNumberStrings: true, dateStrings: true },
    // Its compiled row readers are made from column names.
    disableEval: true,
    connectAttributes: { program_name: "dbus" },
  };
}

async function tlsOptions(target: MysqlTarget, where: string) {
  const ca = target.tlsCa === undefined ? undefined : await readCa(target.tlsCa, where);
  return {
    rejectUnauthorized: target.tls !== "require",
    verifyIdentity: target.tls === "verify-full",
    minVersion: "TLSv1.2",
    ...(ca === undefined ? {} : { ca }),
  };
}

async function readCa(path: string, where: string): Promise<string> {
  if (path.includes("-----BEGIN ")) return path;
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const remedy = "name a readable PEM file in tlsCa";
    throw new DbusError("MYSQL_TLS", `${where}: cannot read ${path}`, { cause, remedy });
  }
}

function connected(driver: Connection, where: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => finish(() => reject(stopped(where)));
    const finish = (then: () => void) => {
      signal?.removeEventListener("abort", abort);
      then();
    };
    driver.once("connect", () => finish(resolve));
    driver.once("error", (error: unknown) => finish(() => reject(error)));
    signal?.addEventListener("abort", abort, { once: true });
  });
}

function stopped(where: string): DbusError {
  return new DbusError("MYSQL_UNREACHABLE", `${where}: stopped while connecting`);
}

function mysqlConnection(
  driver: Connection,
  where: string,
  queryTimeoutMs: number,
  clock: Clock,
): MysqlConnection {
  let open = true;
  let taken = false;
  const waiting = new Set<(error: unknown) => void>();
  driver.on("error", (error: unknown) => {
    open = false;
    // An answer that breaks the protocol is told here, and not to the statement that it is for.
    for (const reject of waiting) reject(error);
    if (!taken) driver.destroy();
  });
  return {
    where,
    get open() {
      return open;
    },
    query(sql, values) {
      if (!open) {
        const closed = new DbusError("MYSQL_UNREACHABLE", `${where}: the connection is closed`);
        return Promise.reject(closed);
      }
      return new Promise((resolve, reject) => {
        const timer = clock.after(queryTimeoutMs, () => {
          open = false;
          waiting.delete(done);
          driver.destroy();
          reject(new DbusError("MYSQL_SILENT", `${where}: no answer within ${queryTimeoutMs} ms`));
        });
        const done = (error: unknown, rows?: unknown) => {
          timer.cancel();
          waiting.delete(done);
          if (error) reject(mysqlError(error, where, statementHead(sql)));
          else resolve(Array.isArray(rows) ? (rows as MysqlRow[]) : []);
        };
        waiting.add(done);
        if (values) driver.execute(sql, [...values], done);
        else driver.query(sql, done);
      });
    },
    takeSocket() {
      open = false;
      taken = true;
      return takeSocket(driver);
    },
    close() {
      if (!open) return;
      open = false;
      // COM_QUIT keeps "aborted connection" out of the server's log; a dead peer must not hold us.
      const timer = clock.after(1_000, () => driver.destroy());
      driver.end(() => timer.cancel());
    },
  };
}

/** For messages: without the values, which are placeholders anyway, and not the whole of it. */
function statementHead(sql: string): string {
  return sql.length <= 60 ? sql : `${sql.slice(0, 57)}...`;
}

/** The driver's parser is dropped; its state is empty, for no command is under way. */
function takeSocket(driver: Connection): Duplex {
  const { stream } = driver as unknown as { stream: Duplex };
  stream.removeAllListeners("data");
  stream.pause();
  return stream;
}
