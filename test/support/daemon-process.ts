import { join } from "node:path";
import { freePort } from "../services/port.ts";
import { systemTool } from "../services/system-tools.ts";
import { lookForCanary } from "./suite-canary.ts";
import { waitFor } from "./wait-for.ts";

/** A dbusd of its own process, started by its command line as a person does it. */
export type DaemonProcess = {
  readonly pid: number;
  readonly adminUrl: string;
  readonly running: boolean;
  readonly exited: Promise<number>;
  kill(signal: NodeJS.Signals): void;
  /** SIGTERM; resolves to the exit code. Throws when it has not ended after 20 s. */
  stop(): Promise<number>;
  /** Resolves when `/readyz` answers 200; rejects with its log when it ends before. */
  ready(): Promise<void>;
  log(): Promise<string>;
  readonly file: string;
  /** The text of a configuration for that file, with `admin` as it is. */
  text(config: DaemonProcessOptions["config"]): string;
};

export type DaemonProcessOptions = {
  /** The config without `admin`, which is written here: loopback on a free port. */
  readonly config: Readonly<Record<string, unknown>>;
  /** A folder for the config and the log; runs that share it append to the same log. */
  readonly dir: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What stands before its command line, and runs it. */
  readonly prefix?: readonly string[];
  /** Another build than the one of this folder: a source file, or an executable. */
  readonly entry?: string | undefined;
  /** The nth call of each thread that syncs a file fails, and the next one too; takes strace. */
  readonly failingSync?: number | undefined;
  /** More options for its command line. */
  readonly args?: readonly string[];
};

/** One dbusd after the other, with one configuration and folder. */
export type Daemons = {
  start(): Promise<DaemonProcess>;
  /** The one that was started last. */
  readonly last: DaemonProcess;
  /** Ends those that still run, by SIGKILL. */
  kill(): void;
};

export function daemonsOf(options: DaemonProcessOptions): Daemons {
  const started: DaemonProcess[] = [];
  return {
    async start() {
      const daemon = await startDaemonProcess(options);
      started.push(daemon);
      return daemon;
    },
    get last() {
      return started.at(-1) as DaemonProcess;
    },
    kill() {
      for (const daemon of started) if (daemon.running) daemon.kill("SIGKILL");
    },
  };
}

const repo = join(import.meta.dir, "../..");

export async function startDaemonProcess(options: DaemonProcessOptions): Promise<DaemonProcess> {
  const { dir, config, args = [] } = options;
  const port = await freePort();
  const file = join(dir, "dbus.yaml");
  const logFile = join(dir, "dbusd.log");
  const admin = { host: "127.0.0.1", port };
  // JSON is YAML.
  const text = (one: DaemonProcessOptions["config"]) => JSON.stringify({ ...one, admin }, null, 2);
  await Bun.write(file, text(config));
  const setpriv = await systemTool("setpriv");
  const { prefix = [] } = options;
  const argv = [
    ...prefix,
    setpriv,
    "--pdeathsig",
    "KILL",
    ...tracing(options),
    ...program(options),
    file,
    ...args,
  ];
  const child = Bun.spawn(["sh", "-c", 'exec "$@" >>"$0" 2>&1', logFile, ...argv], {
    cwd: repo,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    env: { ...process.env, ...options.env },
  });
  void child.exited.then(() => lookForCanary(dir));
  const running = () => child.exitCode === null && child.signalCode === null;
  const log = () => Bun.file(logFile).text();
  const adminUrl = `http://127.0.0.1:${port}`;
  return {
    pid: child.pid,
    adminUrl,
    get running() {
      return running();
    },
    exited: child.exited,
    kill: (signal) => child.kill(signal),
    stop: async () => {
      if (running()) child.kill("SIGTERM");
      await waitFor(() => !running(), { what: "dbusd to stop", timeoutMs: 20_000 });
      const code = child.exitCode ?? -1;
      // Its folder is removed with the test, and why it was not clean would be gone with it.
      if (code !== 0) process.stderr.write(`[dbusd] ended with ${code}:\n${lastOf(await log())}\n`);
      return code;
    },
    ready: async () => {
      const answers = async () => (await fetch(`${adminUrl}/readyz`)).ok;
      const check = () => (running() ? answers() : true);
      await waitFor(check, { what: "dbusd to be ready", timeoutMs: 30_000 });
      if (!running()) throw new Error(`dbusd ended with ${child.exitCode}:\n${await log()}`);
    },
    log,
    file,
    text,
  };
}

const lastOf = (log: string) => log.trimEnd().split("\n").slice(-30).join("\n");

function program({ entry = "src/cli/dbusd.ts" }: DaemonProcessOptions): string[] {
  return entry.endsWith(".ts") ? [process.execPath, entry] : [entry];
}

/** The tracer is not the parent, so that signals go to dbusd itself. */
function tracing({ failingSync }: DaemonProcessOptions): string[] {
  if (failingSync === undefined) return [];
  const inject = `fsync,fdatasync:error=EIO:when=${failingSync}..${failingSync + 1}`;
  const quiet = ["-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null"];
  return ["strace", ...quiet, "-e", "trace=fsync,fdatasync", "-e", `inject=${inject}`];
}
