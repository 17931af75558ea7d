import { parseArgs } from "node:util";
import { parseZkAddress } from "../clients/zookeeper/address.ts";
import type { Overrides } from "../config/loaded.ts";
import { DbusError, toDbusError } from "../errors.ts";
import { clusterAccessHelp } from "./cluster-access.ts";
import { exitCodesText } from "./exit-code.ts";

export const dbusdHelp = `dbusd is a data bus: it reads changes, routes them, and delivers them at least once, in order.

usage: dbusd                         an example: a recorded binlog of a small shop, to files
       dbusd CONFIG.yaml             what the file says
       dbusd --from URL --to URL     without a file:
           --from mysql://user:password@host:3306/database   (or mariadb://)
                  http://127.0.0.1:8080    takes posted JSON
                  mysql-bin.000001         a binlog file; any other file is read by lines
                  -                        standard input, by lines
           --to   kafka://host:9092,host:9092/prefix
                  tcp://host:port          lines of JSON
                  changes.ndjson           a file
                  -                        standard output
                  A password can be given as the variable DBUS_FROM_PASSWORD or DBUS_TO_PASSWORD
                  instead: what is on a command line, others on this machine can see.

      --test [FILE...]     runs the tests of pipelines in FILE, or in all *.test.yaml of this folder:
                           packets that go in and those that come out, without inputs and outputs;
                           --json prints the results for machines
      --check              only checks the configuration, and asks the servers of its inputs and outputs
                           whether they are reached, take the login and have what is named; nothing
                           is read, written or made there. --offline leaves the servers out, --json
                           prints the result for machines
      --print-config       only prints it, secrets redacted; with --from, as a file to go on with
      --schema             prints the JSON Schema of configurations, for editors
      --watch              reloads the file when it has changed
      --admin HOST:PORT    where the admin API listens
      --state-dir FOLDER   the data folder
      --cluster SERVERS    shares the work with other dbusd through ZooKeeper; the servers, and the
                           node below which it works: zk1:2181,zk2:2181/dbus. Without a file it
                           takes the configuration from there: dbc config push FILE
      --log-level LEVEL    debug, info, warn or error
      --log-format FORMAT  pretty or json; pretty on a terminal unless told
      --version            prints the version
  -h, --help               this text

${clusterAccessHelp}
SIGHUP reloads the file: only what has changed in it is started anew, and a file with errors changes
nothing.

A first SIGINT (Ctrl-C) or SIGTERM delivers what is in flight, commits and ends; a second one ends
at once, and what was not settled is read again at the next start.

${exitCodesText}`;

export type Options = {
  readonly file: string | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly action: "run" | "test" | "check" | "print-config" | "schema" | "version" | "help";
  /** Of --test: the files, none for those of this folder. */
  readonly tests: readonly string[];
  readonly json: boolean;
  /** Of --check: no server is asked. */
  readonly offline: boolean;
  /** Reloads the file when it has changed. */
  readonly watch: boolean;
  readonly overrides: Overrides;
};

const actions = ["test", "check", "print-config", "schema", "version", "help"] as const;

const declared = {
  from: { type: "string" },
  to: { type: "string" },
  test: { type: "boolean" },
  json: { type: "boolean" },
  check: { type: "boolean" },
  offline: { type: "boolean" },
  "print-config": { type: "boolean" },
  schema: { type: "boolean" },
  watch: { type: "boolean" },
  admin: { type: "string" },
  "state-dir": { type: "string" },
  cluster: { type: "string" },
  "log-level": { type: "string" },
  "log-format": { type: "string" },
  version: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** Throws `USAGE`. */
export function parseOptions(argv: readonly string[]): Options {
  const { values, positionals } = parsed(argv);
  if (values.json && !values.test && !values.check) {
    throw new DbusError("USAGE", "--json goes with --test and --check");
  }
  if (values.offline && !values.check) throw new DbusError("USAGE", "--offline goes with --check");
  const tests = values.test ? positionals : [];
  const [file, ...rest] = values.test ? [] : positionals;
  if (rest.length > 0) throw new DbusError("USAGE", "it takes one configuration file");
  const { from, to } = values;
  if ((from === undefined) !== (to === undefined)) {
    throw new DbusError("USAGE", "--from and --to go together");
  }
  if (file !== undefined && from !== undefined) {
    throw new DbusError("USAGE", "it is a configuration file, or --from and --to");
  }
  if (values.watch && file === undefined) {
    throw new DbusError("USAGE", "--watch wants a configuration file");
  }
  return {
    file,
    from,
    to,
    watch: values.watch === true,
    tests,
    json: values.json === true,
    offline: values.offline === true,
    action: actions.find((one) => values[one] === true) ?? "run",
    overrides: {
      admin: values.admin === undefined ? undefined : addressOf(values.admin),
      stateDir: values["state-dir"],
      cluster: values.cluster === undefined ? undefined : serversOf(values.cluster),
      logLevel: oneOf(values["log-level"], "--log-level", ["debug", "info", "warn", "error"]),
      logFormat: oneOf(values["log-format"], "--log-format", ["auto", "pretty", "json"]),
    },
  };
}

function parsed(argv: readonly string[]) {
  try {
    // A lone - is a value here (standard input or output), which parseArgs takes only after =.
    const args = argv.flatMap((word, at) => {
      if (word === "-" && /^--(from|to)$/.test(argv[at - 1] ?? "")) return [];
      return argv[at + 1] === "-" && /^--(from|to)$/.test(word) ? [`${word}=-`] : [word];
    });
    return parseArgs({ args, options: declared, allowPositionals: true, strict: true });
  } catch (error) {
    const message = error instanceof Error ? error.message.split(". ")[0] : String(error);
    throw new DbusError("USAGE", message ?? "", { remedy: "see dbusd --help" });
  }
}

function oneOf<T extends string>(
  value: string | undefined,
  option: string,
  all: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const found = all.find((one) => one === value);
  if (found !== undefined) return found;
  throw new DbusError("USAGE", `${option} does not know ${value}`, { remedy: all.join(", ") });
}

/** As it was given, once it is known to be right. */
function serversOf(text: string): string {
  try {
    parseZkAddress(text);
    return text;
  } catch (thrown) {
    const { message, remedy } = toDbusError(thrown);
    throw new DbusError("USAGE", `--cluster: ${message}`, { remedy });
  }
}

/** `host:port`, `:port` or `port`; an IPv6 address stands in brackets. */
function addressOf(text: string): { host: string; port: number } {
  const found = /^(?:(?<host>\[[^\]]+\]|[^:]*):)?(?<port>\d{1,5})$/.exec(text)?.groups;
  const port = Number(found?.port);
  if (found === undefined || port > 65_535) {
    throw new DbusError("USAGE", `--admin wants host:port, not ${text}`);
  }
  return { host: found.host?.replace(/^\[|\]$/g, "") || "127.0.0.1", port };
}
