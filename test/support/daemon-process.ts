import { join } from "node:path";
import { freePort } from "../services/port.ts";
import { systemTool } from "../services/system-tools.ts";
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
};

export type DaemonProcessOptions = {
  /** The config without `admin`, which is written here: loopback on a free port. */
  readonly config: Readonly<Record<string, unknown>>;
  /** A folder for the config and the log; runs that share it append to the same log. */
  readonly dir: string;
  readonly env?: Readonly<Record<string, string>>;
};

const repo = join(import.meta.dir, "../..");

export async function startDaemonProcess(options: DaemonProcessOptions): Promise<DaemonProcess> {
  const { dir, config } = options;
  const port = await freePort();
  const file = join(dir, "dbus.yaml");
  const logFile = join(dir, "dbusd.log");
  const admin = { host: "127.0.0.1", port };
  // JSON is YAML.
  await Bun.write(file, JSON.stringify({ ...config, admin }, null, 2));
  const setpriv = await systemTool("setpriv");
  const argv = [setpriv, "--pdeathsig", "KILL", process.execPath, "src/cli/dbusd.ts", file];
  const child = Bun.spawn(["sh", "-c", 'exec "$@" >>"$0" 2>&1', logFile, ...argv], {
    cwd: repo,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    env: { ...process.env, ...options.env },
  });
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
      return child.exitCode ?? -1;
    },
    ready: async () => {
      const answers = async () => (await fetch(`${adminUrl}/readyz`)).ok;
      const check = () => (running() ? answers() : true);
      await waitFor(check, { what: "dbusd to be ready", timeoutMs: 30_000 });
      if (!running()) throw new Error(`dbusd ended with ${child.exitCode}:\n${await log()}`);
    },
    log,
  };
}
