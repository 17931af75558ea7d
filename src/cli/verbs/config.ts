import { readFileSync } from "node:fs";
import { stringify } from "yaml";
import { builtins } from "#plugins/index.ts";
import type { PushReport, SharedConfig } from "../../cluster/operate/shared-config.ts";
import { loadConfig } from "../../config/load.ts";
import { loadShared } from "../../config/load-shared.ts";
import type { Loaded } from "../../config/loaded.ts";
import { hasErrors, problemsText, problemText } from "../../config/problem.ts";
import { DbusError } from "../../errors.ts";
import { createRegistry } from "../../plugin/registry.ts";
import { clusterAccessHelp } from "../cluster-access.ts";
import { exitCodes } from "../exit-code.ts";
import { lineDiff } from "../line-diff.ts";
import { throughDaemon, withZookeeper } from "../shared-config-client.ts";
import { printable, tableText, timeText } from "../text.ts";
import { show, textOption, usageError, type Verb, type VerbContext } from "../verb.ts";

const usages = {
  check: "config check FILE",
  show: "config show [--version N]",
  push: "config push FILE [--base N] [--dry-run]",
  diff: "config diff [FILE]",
  rollback: "config rollback [N] [--dry-run]",
  history: "config history",
} as const;

type Action = (context: VerbContext, args: readonly string[]) => Promise<number> | undefined;

export const configVerb: Verb = {
  name: "config",
  summary: "checks and shows configurations, and gives the cluster the one that it shares",
  usage: Object.values(usages),
  options: {
    cluster: { type: "string" },
    version: { type: "string" },
    base: { type: "string" },
    "dry-run": { type: "boolean" },
  },
  help: `check looks at a file, show at what runs; the rest is about the configuration that a cluster keeps
in ZooKeeper, for every dbusd --cluster SERVERS that is started without a file. A push that is not
right is refused whole, and so is one with a secret in it that is no reference.

      diff          what a file would change; without one, what the last push has changed
      rollback      lets version N count again, or the one before, as a new version
      --version N   that one, whoever runs it
      --base N      only if version N counts still, so that no change of another is lost
      --dry-run     only says whether it would be taken
      --cluster SERVERS
                    asks ZooKeeper itself, zk1:2181,zk2:2181/dbus, where no daemon runs yet;
                    what only the participants know, such as their secrets, is not looked up then

${clusterAccessHelp}
`,
  async run(context) {
    const [name, ...args] = context.args;
    if (name === undefined || !Object.hasOwn(actions, name)) {
      const names = Object.keys(usages).join("|");
      throw usageError(`it wants one of ${names}`, `config ${names} …`);
    }
    const action = name as keyof typeof usages;
    const done = actions[action](context, args);
    if (done === undefined)
      throw usageError(`config ${action} wants other arguments`, usages[action]);
    return done;
  },
};

const actions: Record<keyof typeof usages, Action> = {
  check: (context, [file, ...rest]) =>
    file === undefined || rest.length > 0 ? undefined : check(context, file),
  show: (context, args) => (args.length > 0 ? undefined : showOne(context)),
  push: (context, [file, ...rest]) =>
    file === undefined || rest.length > 0
      ? undefined
      : sharing(context, async (config) => {
          const base = numberOf(textOption(context.values, "base"), "--base", 0);
          const dryRun = context.values["dry-run"] === true;
          const report = await config.push({ text: textOf(file), base, dryRun }, whoOf(context));
          return reported(context, report, file);
        }),
  diff: (context, [file, ...rest]) =>
    rest.length > 0 ? undefined : sharing(context, (config) => diff(context, config, file)),
  rollback: (context, [to, ...rest]) =>
    rest.length > 0
      ? undefined
      : sharing(context, async (config) => {
          const n = numberOf(to, "the version", 1) ?? null;
          const report = await config.rollback(
            n,
            context.values["dry-run"] === true,
            whoOf(context),
          );
          return reported(context, report, n === null ? "the one before" : `version ${n}`);
        }),
  history: (context, args) =>
    args.length > 0 ? undefined : sharing(context, (config) => history(context, config)),
};

function sharing(
  { client, values, env }: VerbContext,
  work: (config: SharedConfig) => Promise<number>,
): Promise<number> {
  const connect = textOption(values, "cluster");
  if (connect === undefined) return work(throughDaemon(client));
  const registry = createRegistry(builtins);
  const check = async (text: string) => {
    const options = { registry, env, text, withSecrets: false };
    return { problems: (await loadShared("config", options)).problems, restart: [] };
  };
  return withZookeeper({ connect, env, check }, work);
}

async function check(context: VerbContext, file: string): Promise<number> {
  const registry = createRegistry(builtins);
  const { problems }: Loaded = await loadConfig(file, { registry, env: context.env });
  const ok = !hasErrors(problems);
  show(context, { file, ok, problems }, () => {
    return problemsText(problems) + (ok ? `${file}: it can be used\n` : "");
  });
  return ok ? exitCodes.clean : exitCodes.usage;
}

async function showOne(context: VerbContext): Promise<number> {
  const version = numberOf(textOption(context.values, "version"), "--version", 1);
  if (version === undefined && context.values.cluster === undefined) {
    const config = await context.client.get<unknown>("/api/v1/config");
    show(context, config, () => stringify(config));
    return exitCodes.clean;
  }
  return sharing(context, async (config) => {
    const document = await config.read(version ?? null);
    show(context, document, () => document.text);
    return exitCodes.clean;
  });
}

function reported(context: VerbContext, report: PushReport, what: string): number {
  show(context, report, () => {
    const { outcome, n, warnings, restart } = report;
    const odd = warnings.map((problem) => `${printable(problemText(problem))}\n`).join("");
    const keys =
      restart.length === 0
        ? ""
        : `read at a start only, so until then participants refuse it: ${restart.join(", ")}\n`;
    const end = {
      pushed: `version ${n} counts now; dbc participants tells who has taken it\n`,
      unchanged: `nothing is new in it: version ${n} counts as before\n`,
      "dry-run": `${what} would be taken; version ${n} counts as before\n`,
    };
    return odd + keys + end[outcome];
  });
  return exitCodes.clean;
}

async function diff(
  context: VerbContext,
  config: SharedConfig,
  file: string | undefined,
): Promise<number> {
  const { n, text } = await config.read(null);
  let before = { what: `version ${n}`, text };
  let after = before;
  if (file !== undefined) after = { what: file, text: textOf(file) };
  else {
    const [last] = (await config.versions()).filter((one) => one.n < n);
    if (!last) throw new DbusError("NOT_FOUND", `there is no version before ${n}`);
    before = { what: `version ${last.n}`, text: (await config.read(last.n)).text };
  }
  const lines = lineDiff(before.text, after.text);
  const answer = { from: before.what, to: after.what, same: lines === "", diff: lines };
  show(context, answer, () => {
    if (lines === "") return `${after.what} is the same as ${before.what}\n`;
    const body = lines.split("\n").map(printable).join("\n");
    return `--- ${before.what}\n+++ ${after.what}\n${body}`;
  });
  return exitCodes.clean;
}

async function history(context: VerbContext, config: SharedConfig): Promise<number> {
  const all = await config.versions();
  show(context, all, () => {
    if (all.length === 0) return "no configuration was pushed yet\n";
    const rows = all.map((one) => [
      one.current ? `${one.n} *` : String(one.n),
      timeText(one.at),
      one.by,
      one.of === null ? null : `version ${one.of} again`,
      one.bytes,
      one.sha256.slice(0, 12),
    ]);
    return tableText(["VERSION", "AT", "BY", "WHAT", "BYTES", "SHA-256"], rows);
  });
  return exitCodes.clean;
}

/** A daemon knows by the token; where there is none, the user of this machine says it. */
const whoOf = ({ env }: VerbContext): string => `${env.USER ?? "somebody"} (dbc)`;

function textOf(file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (cause) {
    throw new DbusError("CONFIG_NOT_FOUND", `${file} cannot be read as UTF-8`, { cause });
  }
}

function numberOf(text: string | undefined, what: string, least: number): number | undefined {
  if (text === undefined) return undefined;
  const n = Number(text);
  if (Number.isSafeInteger(n) && n >= least) return n;
  throw usageError(`${what} is a whole number from ${least}`, "config …");
}
