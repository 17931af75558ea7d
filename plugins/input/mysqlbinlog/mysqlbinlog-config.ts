import { z } from "zod";
import { isLoopback } from "#plugin";
import type { MysqlTarget, TlsMode } from "#src/clients/mysql/connection.ts";
import { everything, type Patterns } from "#src/clients/mysql/table-patterns.ts";

const pattern = z.string().min(1).max(200);
const tablePattern = pattern.regex(/\.|^\*/, "a table pattern is database.table, e.g. shop.*");

function patterns(one: z.ZodString, what: string) {
  return z
    .union([
      z.array(one).min(1),
      z.strictObject({
        include: z.array(one).min(1).default(["*"]).describe(`${what} that are read`),
        exclude: z.array(one).default([]).describe(`${what} of these that are not`),
      }),
    ])
    .optional();
}

const start = z.union([
  z.enum(["earliest", "latest"]),
  z.strictObject({
    file: z.string().min(1).describe("binlog file, e.g. binlog.000002"),
    pos: z.int().min(4).default(4).describe("offset at which a transaction begins, in bytes"),
  }),
  z.strictObject({
    gtid: z.string().describe("GTIDs that are not read, as the server prints them"),
  }),
]);

const tlsModes = ["disable", "require", "verify-ca", "verify-full"] as const;

export const mysqlbinlogConfigSchema = z
  .strictObject({
    dsn: z
      .string()
      .optional()
      .describe("mysql://user:password@host:3306/database?tls=require, instead of the next four")
      .meta({ secret: true }),
    host: z.string().min(1).optional().describe("host name or address; 127.0.0.1 unless told"),
    port: z.int().min(1).max(65_535).optional().describe("TCP port; 3306 unless told"),
    user: z.string().min(1).optional().describe("account with REPLICATION SLAVE and CLIENT"),
    password: z.string().optional().describe("its password").meta({ secret: true }),
    flavor: z
      .enum(["auto", "mysql", "mariadb"])
      .default("auto")
      .describe("the kind of server; auto asks it"),
    serverId: z
      .int()
      .min(1)
      .max(4_294_967_295)
      .optional()
      .describe(
        "what it registers as, one for each reader; drawn once and kept unless told, in a cluster for each resource",
      ),
    start: start
      .default("earliest")
      .describe("where to begin without a checkpoint: earliest | latest | {file, pos} | {gtid}"),
    gtid: z
      .enum(["auto", "on", "off"])
      .default("auto")
      .describe("go on by GTID set where the server has them, always, or by file and offset"),
    schema: z
      .enum(["auto", "binlog", "current"])
      .default("auto")
      .describe(
        "where column names come from. auto: the binlog, else what is surely known; binlog: only " +
          "the binlog (binlog_row_metadata=FULL), where UUID and INET of MariaDB are BINARY; " +
          "current: also tables altered since, if types fit",
      ),
    databases: patterns(pattern, "databases").describe(
      "patterns such as shop or crm_*, or {include, exclude}; the dsn's database unless told",
    ),
    tables: patterns(tablePattern, "tables").describe(
      "patterns such as shop.*, or {include, exclude}; all tables unless told",
    ),
    tls: z
      .enum(tlsModes)
      .optional()
      .describe("verify-full unless told, on loopback disable; none falls back to plain text"),
    tlsCa: z
      .string()
      .min(1)
      .optional()
      .describe(
        "PEM of the authority that signed the server's certificate, or the path of its file",
      ),
    heartbeatMs: z
      .int()
      .min(100)
      .max(3_600_000)
      .default(5_000)
      .describe("how often an idle server is to say so; three missed and it counts as dead"),
    onPositionLost: z
      .enum(["fail", "earliest", "latest"])
      .default("fail")
      .describe("when the server no longer has the position: stop, or go on and note the gap"),
    connectTimeoutMs: z.int().min(100).max(600_000).default(10_000).describe("for each connect"),
    eventBytesMax: z
      .int()
      .min(65_536)
      .max(2 ** 32 - 1)
      .default(65 * 2 ** 20)
      .describe("the largest event that is read; a compressed transaction may hold more than that"),
    onEventTooLarge: z
      .enum(["deadletter", "fail"])
      .default("deadletter")
      .describe(
        "a larger row: note in the dead letters where it is, and go on, or stop. What is no row, " +
          "such as a larger compressed transaction, stops the input in any case",
      ),
  })
  .superRefine((config, issues) => {
    const problem = problemOf(config);
    if (problem)
      issues.addIssue({ code: "custom", path: [problem.path], message: problem.message });
  });

export type MysqlbinlogConfig = z.output<typeof mysqlbinlogConfigSchema>;

type Problem = { readonly path: string; readonly message: string };

/** Never shows the dsn, which holds the password. */
function problemOf(
  config: Pick<MysqlbinlogConfig, "dsn" | "host" | "user" | "tls">,
): Problem | undefined {
  if (config.dsn === undefined) {
    return config.user === undefined
      ? { path: "user", message: "user or dsn is missing" }
      : undefined;
  }
  if (config.host !== undefined) return { path: "host", message: "the dsn names the host already" };
  if (config.user !== undefined) return { path: "user", message: "the dsn names the user already" };
  const dsn = parseDsn(config.dsn);
  return typeof dsn === "string" ? { path: "dsn", message: dsn } : undefined;
}

type Dsn = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string | undefined;
  readonly mariadb: boolean;
  readonly tls: TlsMode | undefined;
  readonly tlsCa: string | undefined;
};

const shape = "mysql://user:password@host:3306/database";

/** The parts of a dsn, or what is wrong with it. */
function parseDsn(text: string): Dsn | string {
  if (!URL.canParse(text)) return `a dsn looks like ${shape}, with %40 for an @ in the password`;
  const url = new URL(text);
  if (!/^(mysql|mariadb):$/.test(url.protocol)) return `a dsn begins with mysql://, as in ${shape}`;
  if (url.hostname === "") return `the dsn names no host: ${shape}`;
  if (url.username === "") return `the dsn names no user: ${shape}`;
  for (const name of url.searchParams.keys()) {
    if (name !== "tls" && name !== "tlsCa") return `the dsn may have ?tls and ?tlsCa, not ?${name}`;
  }
  const tls = url.searchParams.get("tls") ?? undefined;
  if (tls !== undefined && !tlsModes.some((mode) => mode === tls)) {
    return `tls is one of ${tlsModes.join(", ")}`;
  }
  try {
    return {
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port === "" ? 3306 : Number(url.port),
      user: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: decodeURIComponent(url.pathname.slice(1)) || undefined,
      mariadb: url.protocol === "mariadb:",
      tls: tls as TlsMode | undefined,
      tlsCa: url.searchParams.get("tlsCa") ?? undefined,
    };
  } catch {
    return "a % in the dsn must be written %25";
  }
}

function dsnOf(config: MysqlbinlogConfig): Dsn | undefined {
  const dsn = config.dsn === undefined ? undefined : parseDsn(config.dsn);
  return typeof dsn === "string" ? undefined : dsn;
}

/** Statements that we send are short; SHOW BINARY LOGS of a busy server may take a while. */
const queryTimeoutMs = 60_000;

export function targetOf(config: MysqlbinlogConfig): MysqlTarget {
  const dsn = dsnOf(config);
  const host = dsn?.host ?? config.host ?? "127.0.0.1";
  return {
    host,
    port: dsn?.port ?? config.port ?? 3306,
    user: dsn?.user ?? config.user ?? "",
    password: dsn?.password ?? config.password ?? "",
    tls: config.tls ?? dsn?.tls ?? (isLoopback(host) ? "disable" : "verify-full"),
    tlsCa: config.tlsCa ?? dsn?.tlsCa,
    connectTimeoutMs: config.connectTimeoutMs,
    queryTimeoutMs,
  };
}

export function flavorOf(config: MysqlbinlogConfig): "auto" | "mysql" | "mariadb" {
  return config.flavor === "auto" && dsnOf(config)?.mariadb ? "mariadb" : config.flavor;
}

/** What `databases` and `tables` ask for; a dsn's database counts when neither is given. */
export function patternsOf(config: MysqlbinlogConfig): { databases: Patterns; tables: Patterns } {
  const database = dsnOf(config)?.database;
  const own = config.tables === undefined && database !== undefined ? [database] : undefined;
  return { databases: asPatterns(config.databases ?? own), tables: asPatterns(config.tables) };
}

function asPatterns(given: MysqlbinlogConfig["databases"]): Patterns {
  if (given === undefined) return everything;
  return Array.isArray(given) ? { include: given, exclude: [] } : given;
}
