import { readdirSync } from "node:fs";
import { stringify } from "yaml";
import { builtins } from "#plugins/index.ts";
import packageJson from "../../package.json" with { type: "json" };
import type { ConfigFollower } from "../cluster/config-follower.ts";
import { type LoadOptions, loadConfig } from "../config/load.ts";
import { loadShared } from "../config/load-shared.ts";
import type { Loaded } from "../config/loaded.ts";
import { hasErrors, problemsText } from "../config/problem.ts";
import { wholeJsonSchema } from "../config/whole-schema.ts";
import { DbusError, toDbusError } from "../errors.ts";
import { createLog } from "../log-writer.ts";
import { startDaemon } from "../main.ts";
import type { FileResult } from "../pipeline-test/run-tests.ts";
import { createRegistry } from "../plugin/registry.ts";
import { bannerText, whereToLook } from "./banner.ts";
import { checkConfig } from "./check-config.ts";
import type { ClusterSource } from "./cluster-source.ts";
import { dbusdHelp, type Options, parseOptions } from "./dbusd-options.ts";
import { exitCodeOf, exitCodeOfProblems, exitCodes } from "./exit-code.ts";
import { configOf } from "./from-to.ts";
import { quickstart } from "./quickstart.ts";
import { onReload } from "./reload-triggers.ts";
import { onSignals } from "./signals.ts";
import { STANDARD_ERROR, STANDARD_OUTPUT, writeWhole } from "./stdio.ts";
import { errorText, type Streams } from "./text.ts";
import { contentOf } from "./watch-file.ts";

export type DbusdIo = Streams & {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether a person is looking: then the start says where to look. */
  readonly terminal: boolean;
  /** Takes the log's lines; standard error unless told. */
  readonly log?: (line: string) => void;
  /** How dbc is called here, for the commands that are suggested. */
  readonly dbc: string;
};

/** Runs the daemon until it ends, and answers with the exit code. Never throws. */
export async function runDbusd(argv: readonly string[], io: DbusdIo): Promise<number> {
  try {
    const options = parseOptions(argv);
    return await act(options, io);
  } catch (thrown) {
    const error = toDbusError(thrown);
    io.err(errorText("dbusd", error));
    return exitCodeOf(error);
  }
}

const registry = createRegistry(builtins);

async function act(options: Options, io: DbusdIo): Promise<number> {
  switch (options.action) {
    case "help":
      io.out(dbusdHelp);
      return exitCodes.clean;
    case "version":
      io.out(`dbusd ${packageJson.version}\n`);
      return exitCodes.clean;
    case "schema":
      io.out(`${JSON.stringify(wholeJsonSchema(await registry.builtins()), null, 2)}\n`);
      return exitCodes.clean;
    case "test":
      return runTests(options, io);
    default:
      return withConfig(options, io);
  }
}

/** Every file is run, also behind one that cannot be used. */
async function runTests({ tests, json }: Options, io: DbusdIo): Promise<number> {
  const files = tests.length > 0 ? tests : testFilesOf(".");
  const { resultsText, runTestFile } = await import("../pipeline-test/run-tests.ts");
  const results: FileResult[] = [];
  const unusable: { readonly file: string; readonly error: DbusError }[] = [];
  for (const file of files) {
    try {
      results.push(await runTestFile(file, { registry, env: io.env }));
    } catch (thrown) {
      unusable.push({ file, error: toDbusError(thrown) });
    }
  }
  if (json) io.out(`${JSON.stringify({ files: results, unusable }, null, 2)}\n`);
  else {
    for (const { error } of unusable) io.err(errorText("dbusd", error));
    if (results.length > 0) io.out(resultsText(results));
  }
  const [first] = unusable;
  if (first) return exitCodeOf(first.error);
  const ok = results.every((one) => one.tests.every((test) => test.ok));
  return ok ? exitCodes.clean : exitCodes.failed;
}

/** Throws `USAGE` when there are none. */
function testFilesOf(folder: string): readonly string[] {
  const names = readdirSync(folder).filter((name) => /\.test\.ya?ml$/.test(name));
  if (names.length > 0) return names.sort();
  throw new DbusError("USAGE", "there is no *.test.yaml in this folder", {
    remedy: "name the files: dbusd --test etc/operators.test.yaml",
  });
}

type Source = {
  readonly file: string;
  readonly load: LoadOptions;
  /** Where the cluster has it. */
  readonly shared?: ClusterSource;
};

/** A file, two URLs, the cluster's, or the example that is built in. */
async function sourceOf(options: Options, io: DbusdIo): Promise<Source> {
  const { file, from, to, overrides, action } = options;
  if (from !== undefined && to !== undefined) {
    const { text, env } = configOf(from, to, io.env);
    const load = { registry, overrides, text, env: { ...io.env, ...env } };
    return { file: "(--from --to)", load };
  }
  if (file !== undefined) return { file, load: { registry, overrides, env: io.env } };
  if (overrides.cluster !== undefined) {
    const load = { registry, overrides, env: io.env };
    const wait = action === "run";
    const at = { connect: overrides.cluster, env: io.env, load, wait, say: io.err };
    const { clusterSource } = await import("./cluster-source.ts");
    const shared = await clusterSource(at);
    return { file: shared.file, load: shared.options, shared };
  }
  const { text, env } = await quickstart(overrides.stateDir, options.action === "run");
  return {
    file: "quickstart.yaml",
    load: { registry, overrides, text, env: { ...env, ...io.env } },
  };
}

async function withConfig(options: Options, io: DbusdIo): Promise<number> {
  const { file, load, shared } = await sourceOf(options, io);
  const reading = () => (shared ? shared.load() : loadConfig(file, load));
  const watch = options.watch ? { file, known: contentOf(file) } : undefined;
  const loaded = await reading();
  const { config, problems } = loaded;
  io.err(problemsText(problems));
  if (options.action === "print-config") return printConfig(loaded, load, io);
  if (options.action === "check") {
    return checkConfig({ file, config, problems }, { ...options, out: io.out });
  }
  if (config === null || hasErrors(problems)) return exitCodeOfProblems(problems);
  if (options.from !== undefined && io.terminal) io.err(`\n${load.text ?? ""}\n`);
  const { level, format } = config.log;
  const log = createLog({ level, format, ...(io.log ? { write: io.log } : {}) });
  if (options.from !== undefined && !io.terminal) {
    log.info("the configuration that --from and --to stand for", { yaml: load.text });
  }
  const signals = onSignals(log, io.err);
  const triggers = onReload({ log, watch, terminal: io.terminal });
  let follower: ConfigFollower | undefined;
  try {
    const daemon = await startDaemon(config, {
      log,
      load: reading,
      check: (text) => loadShared("config", { ...load, text, withSecrets: true }),
      onBlame: signals.onUncaught,
    });
    signals.ready((reason) => daemon.stop(reason));
    triggers.ready(daemon);
    follower = shared?.follow(config, daemon, log);
    if (io.terminal) io.err(bannerText(config, daemon.adminUrl, io.dbc));
    else {
      const { writes, next } = whereToLook(config, daemon.adminUrl, io.dbc);
      log.info("dbus is running", { admin: daemon.adminUrl, config: file, writes, next });
    }
    const { exitCode, reason } = await daemon.done;
    log.info(`ended: ${reason}`, { exitCode });
    return exitCode;
  } finally {
    await follower?.stop();
    triggers.off();
    signals.off();
  }
}

/** A file is shown as it is written; what stands for URLs is a file that can be saved. */
function printConfig({ config }: Loaded, load: LoadOptions, io: DbusdIo): number {
  if (config === null) return exitCodes.usage;
  io.out(load.text ?? stringify(config.shown));
  return exitCodes.clean;
}

export async function main(argv: readonly string[]): Promise<void> {
  const compiled = import.meta.path.startsWith("/$bunfs/");
  const code = await runDbusd(argv, {
    out: (text) => writeWhole(STANDARD_OUTPUT, text),
    err: (text) => writeWhole(STANDARD_ERROR, text),
    env: process.env,
    terminal: process.stderr.isTTY === true,
    dbc: compiled ? `${process.argv0} dbc` : "bun run dbc",
  });
  // A driver's forgotten timer must not keep a daemon alive that has ended.
  process.exit(code);
}
