import { stringify } from "yaml";
import { DbusError } from "../errors.ts";

/** A config made of two URLs: its text, and the secrets that it names instead of holding them. */
export type FromTo = {
  readonly text: string;
  readonly env: Readonly<Record<string, string>>;
};

type Fields = Record<string, unknown>;

/** One end: an entry of the config without its match. */
type End = {
  readonly entry: { readonly name: string; readonly plugin: string } & Fields;
  readonly env: Readonly<Record<string, string>>;
  /** Rows of tables, which have a database and a table to make topics of. */
  readonly rows: boolean;
  /** It has an end, and with it the process. */
  readonly ends: boolean;
};

type Env = Readonly<Record<string, string | undefined>>;

const fromPassword = "DBUS_FROM_PASSWORD";
const toPassword = "DBUS_TO_PASSWORD";

/** Throws `USAGE`, with the shape that is wanted; never shows the URL, which may hold a password. */
export function configOf(from: string, to: string, env: Env): FromTo {
  const source = sourceOf(from, env);
  const sink = sinkOf(to, source.rows, env);
  const whole = {
    ...(source.ends ? { bus: { onFinished: "exit" } } : {}),
    inputs: [source.entry],
    outputs: [{ ...sink.entry, match: "*" }],
  };
  const comment = "# What --from and --to stand for; a file to go on with.\n";
  return { text: comment + stringify(whole), env: { ...source.env, ...sink.env } };
}

function sourceOf(from: string, env: Env): End {
  if (/^(mysql|mariadb):\/\//.test(from)) return mysqlSource(from, env);
  if (/^http:\/\//.test(from)) return httpSource(from);
  const none = { env: {}, rows: false, ends: true };
  if (from === "-" || from === "stdin") {
    return { ...none, entry: { name: "stdin", plugin: "StreamInput", stdin: true } };
  }
  refuseOtherSchemes(from, "--from", "mysql://, mariadb://, http://, a file or -");
  if (/\.\d{6,}$/.test(from)) {
    const entry = { name: "binlog", plugin: "BinlogFileInput", files: [from] };
    return { ...none, entry, rows: true };
  }
  return { ...none, entry: { name: "lines", plugin: "StreamInput", file: from } };
}

function sinkOf(to: string, rows: boolean, env: Env): End {
  const none = { env: {}, rows: false, ends: false };
  if (/^kafka:\/\//.test(to)) return kafkaSink(to, rows, env);
  if (to === "-" || to === "stdout") {
    return { ...none, entry: { name: "stdout", plugin: "StreamOutput", stdout: true } };
  }
  if (/^tcp:\/\//.test(to)) {
    const { hostname: host, port } = urlOf(to, "--to", "tcp://host:port");
    const connect = { host, port: Number(port) };
    return { ...none, entry: { name: "tcp", plugin: "StreamOutput", connect } };
  }
  refuseOtherSchemes(to, "--to", "kafka://, tcp://, a file or -");
  return { ...none, entry: { name: "file", plugin: "StreamOutput", file: to } };
}

function mysqlSource(from: string, env: Env): End {
  const shape = "mysql://user:password@host:3306/database";
  const url = urlOf(from, "--from", shape);
  if (url.username === "") throw misshapen("--from", shape, "it names no user");
  const password = passwordOf(url, fromPassword, env);
  const database = decodeURIComponent(url.pathname.slice(1));
  const entry = {
    name: "mysql",
    plugin: "MysqlbinlogInput",
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port || 3306),
    user: decodeURIComponent(url.username),
    ...password.fields,
    ...(url.protocol === "mariadb:" ? { flavor: "mariadb" } : {}),
    ...(database === "" ? {} : { databases: [database] }),
    ...queryFields(url),
  };
  return { entry, env: password.env, rows: true, ends: false };
}

function httpSource(from: string): End {
  const { hostname, port, pathname } = urlOf(from, "--from", "http://127.0.0.1:8080/path");
  const path = pathname === "/" ? {} : { path: pathname };
  const entry = { name: "http", plugin: "HttpInput", host: hostname, port: Number(port || 80) };
  return { entry: { ...entry, ...path }, env: {}, rows: false, ends: false };
}

/** The brokers of a list stand before the first slash, which no URL parser takes. */
function kafkaSink(to: string, rows: boolean, env: Env): End {
  const shape = "kafka://host:9092,host:9092/prefix";
  const found = /^kafka:\/\/(?:(?<user>[^@/]*)@)?(?<brokers>[^@/?]+)(?<rest>[/?].*)?$/.exec(to);
  const { user, brokers = "", rest = "" } = found?.groups ?? {};
  if (found === null || brokers === "") throw misshapen("--to", shape, "it names no broker");
  const url = urlOf(`kafka://${user === undefined ? "" : `${user}@`}host${rest}`, "--to", shape);
  const password = passwordOf(url, toPassword, env);
  const topic = decodeURIComponent(url.pathname.slice(1));
  if (topic === "" && !rows) throw misshapen("--to", shape, "it names no topic");
  const template = rows && !topic.includes("${") ? `${topic}.\${db}.\${tbl}` : topic;
  const sasl = {
    mechanism: "scram-sha-256",
    username: decodeURIComponent(url.username),
    ...password.fields,
  };
  const entry = {
    name: "kafka",
    plugin: "KafkaOutput",
    brokers: brokers.split(",").map((one) => (/:\d+$/.test(one) ? one : `${one}:9092`)),
    ...(topic === "" ? {} : { topic: template }),
    ...(url.username === "" ? {} : { sasl }),
    ...queryFields(url),
  };
  return { entry, env: password.env, rows: false, ends: false };
}

/** The config names the variable; the value of the URL goes into it for this one process. */
function passwordOf(
  url: URL,
  variable: string,
  env: Env,
): { readonly fields: Fields; readonly env: Readonly<Record<string, string>> } {
  const written = decodeURIComponent(url.password);
  if (written === "" && env[variable] === undefined) return { fields: {}, env: {} };
  const fields = { password: `\${${variable}}` };
  return { fields, env: written === "" ? {} : { [variable]: written } };
}

/** `?format=debezium&tombstones=false`: any field of the plugin that is a scalar. */
function queryFields(url: URL): Fields {
  const scalar = (text: string) =>
    /^(true|false|-?\d{1,15})$/.test(text) ? (JSON.parse(text) as unknown) : text;
  return Object.fromEntries([...url.searchParams].map(([name, text]) => [name, scalar(text)]));
}

function urlOf(text: string, option: string, shape: string): URL {
  const url = URL.parse(text);
  if (url === null || url.hostname === "") {
    throw misshapen(option, shape, "in a password, write %40 for @, %2F for / and %3A for :");
  }
  try {
    decodeURIComponent(url.pathname + url.username + url.password);
  } catch {
    throw misshapen(option, shape, "a % stands before two hexadecimal digits; itself it is %25");
  }
  return url;
}

function refuseOtherSchemes(text: string, option: string, known: string): void {
  if (!/^[a-z][a-z0-9+]*:\/\//i.test(text)) return;
  throw new DbusError("USAGE", `${option} does not know this kind of URL`, { remedy: known });
}

function misshapen(option: string, shape: string, why: string): DbusError {
  return new DbusError("USAGE", `${option} does not look like ${shape}`, { remedy: why });
}
