import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import packageJson from "../../package.json" with { type: "json" };
import { isLoopback } from "../config/admin-address.ts";
import { meant } from "../config/nearest.ts";
import { DbusError, toDbusError } from "../errors.ts";
import { createClient } from "./client.ts";
import { exitCodeOf, exitCodes, exitCodesText } from "./exit-code.ts";
import { STANDARD_ERROR, STANDARD_OUTPUT, writeWhole } from "./stdio.ts";
import { errorText, type Streams } from "./text.ts";
import type { Values, Verb } from "./verb.ts";
import { checkpointVerb } from "./verbs/checkpoint.ts";
import {
  clustersVerb,
  decisionVerb,
  participantsVerb,
  resourcesVerb,
} from "./verbs/cluster-look.ts";
import {
  drainVerbs,
  forgetVerb,
  migrateVerb,
  rebalanceVerb,
  weightVerb,
} from "./verbs/cluster-orders.ts";
import { configVerb } from "./verbs/config.ts";
import { deadLettersVerb } from "./verbs/dead-letters.ts";
import { gapsVerb } from "./verbs/gaps.ts";
import { pauseVerb, resumeVerb } from "./verbs/pause.ts";
import { pluginsVerb } from "./verbs/plugins.ts";
import { reloadVerb } from "./verbs/reload.ts";
import { statusVerb } from "./verbs/status.ts";
import { supervisorVerb } from "./verbs/supervisor.ts";
import { topologyVerb } from "./verbs/topology.ts";
import { typesVerb } from "./verbs/types.ts";
import { upgradeVerb } from "./verbs/upgrade.ts";

export const verbs: readonly Verb[] = [
  statusVerb,
  topologyVerb,
  pluginsVerb,
  supervisorVerb,
  checkpointVerb,
  pauseVerb,
  resumeVerb,
  deadLettersVerb,
  gapsVerb,
  configVerb,
  reloadVerb,
  typesVerb,
  clustersVerb,
  participantsVerb,
  resourcesVerb,
  decisionVerb,
  rebalanceVerb,
  migrateVerb,
  ...drainVerbs,
  weightVerb,
  forgetVerb,
  upgradeVerb,
];

export type DbcIo = Streams & {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly terminal: boolean;
  readonly signal: AbortSignal;
};

const common = {
  admin: { type: "string" },
  ca: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

const commonOptions = `      --admin URL   the daemon, 127.0.0.1:9876 or the variable DBUS_ADMIN unless told
      --ca FILE     the authority of its certificate, or the variable DBUS_CA; it means https
      --json        prints for machines
  -h, --help        this text
`;

const tokenHelp = "\nThe variable DBUS_TOKEN holds a token, where the daemon wants one.\n";

function helpText(): string {
  const lines = verbs.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`);
  return `dbc looks at a running dbusd and steers it.

usage: dbc VERB [ARGUMENTS]

${lines.join("\n")}

${commonOptions}      --version     prints the version
      dbc VERB --help tells about one verb
${tokenHelp}
${exitCodesText}`;
}

function verbHelp({ summary, usage, help = "" }: Verb): string {
  const lines = usage.map((one) => `dbc ${one}`).join("\n       ");
  return `${summary}\n\nusage: ${lines}\n\n${help}${commonOptions}${tokenHelp}`;
}

/** Runs one verb and answers with the exit code. Never throws. */
export async function runDbc(argv: readonly string[], io: DbcIo): Promise<number> {
  const json = argv.includes("--json");
  try {
    return await dispatch(argv, io);
  } catch (thrown) {
    const error = toDbusError(thrown);
    if (json) io.out(`${JSON.stringify({ error }, null, 2)}\n`);
    else io.err(errorText("dbc", error));
    return exitCodeOf(error);
  }
}

async function dispatch(argv: readonly string[], io: DbcIo): Promise<number> {
  const at = argv.findIndex(
    (word, index) => !word.startsWith("-") && !/^--(admin|ca)$/.test(argv[index - 1] ?? ""),
  );
  const name = argv[at];
  if (name === undefined) return withoutVerb(argv, io);
  const verb = verbs.find((one) => one.name === name);
  if (verb === undefined) {
    const names = verbs.map((one) => one.name);
    throw new DbusError("USAGE", `there is no verb ${name}`, {
      remedy: meant(name, names, "verbs"),
    });
  }
  const { values, positionals } = parsed(verb, [...argv.slice(0, at), ...argv.slice(at + 1)]);
  if (values.help) {
    io.out(verbHelp(verb));
    return exitCodes.clean;
  }
  const admin = typeof values.admin === "string" ? values.admin : io.env.DBUS_ADMIN;
  const token = io.env.DBUS_TOKEN || undefined;
  return verb.run({
    client: createClient({ admin: admin || "127.0.0.1:9876", token, ca: caOf(values.ca, io.env) }),
    args: positionals,
    values,
    json: values.json === true,
    out: io.out,
    terminal: io.terminal,
    env: io.env,
    signal: io.signal,
  });
}

function caOf(option: Values[string], env: DbcIo["env"]): string | undefined {
  const file = typeof option === "string" ? option : env.DBUS_CA;
  if (!file) return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const message = `--ca: the file ${file} cannot be read`;
    throw new DbusError("USAGE", message, { cause: error, remedy: "name a file of PEM" });
  }
}

function withoutVerb(argv: readonly string[], io: DbcIo): number {
  if (argv.includes("--version")) {
    io.out(`dbc ${packageJson.version}\n`);
    return exitCodes.clean;
  }
  const asked = argv.includes("--help") || argv.includes("-h");
  (asked ? io.out : io.err)(helpText());
  return asked ? exitCodes.clean : exitCodes.usage;
}

function parsed(verb: Verb, args: string[]): { values: Values; positionals: string[] } {
  const options = { ...common, ...verb.options };
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    const message = error instanceof Error ? error.message.split(". ")[0] : String(error);
    throw new DbusError("USAGE", message ?? "", { remedy: `see dbc ${verb.name} --help` });
  }
}

/** A proxy for the outside must not stand between dbc and this machine. */
function withoutProxy(argv: readonly string[], env: Record<string, string | undefined>) {
  const at = argv.indexOf("--admin");
  const admin = (at >= 0 ? argv[at + 1] : env.DBUS_ADMIN) ?? "127.0.0.1";
  const host = /^(?:https?:\/\/)?(\[[^\]]*\]|[^:/]*)/.exec(admin)?.[1] ?? "";
  if (isLoopback(host) || /^\d+$/.test(admin)) {
    env.NO_PROXY = [env.NO_PROXY, "127.0.0.1", host].filter(Boolean).join(",");
  }
}

export async function main(argv: readonly string[]): Promise<void> {
  const abort = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => abort.abort());
  }
  withoutProxy(argv, process.env);
  process.exitCode = await runDbc(argv, {
    out: (text) => writeWhole(STANDARD_OUTPUT, text),
    err: (text) => writeWhole(STANDARD_ERROR, text),
    env: process.env,
    terminal: process.stdout.isTTY === true,
    signal: abort.signal,
  });
}

if (import.meta.main) await main(process.argv.slice(2));
