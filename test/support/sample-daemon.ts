import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtins } from "#plugins/index.ts";
import type { InputStatus, OutputStatus } from "#src/api/port.ts";
import { requireConfig } from "#src/config/load.ts";
import { type Daemon, startDaemon } from "#src/main.ts";
import { createRegistry } from "#src/plugin/registry.ts";
import { type RecordedLog, recordedLog } from "./recorded-log.ts";

export const registry = createRegistry(builtins);

/** A sample of etc/ on the real daemon, with a data folder and an admin port of its own. */
export type SampleDaemon = {
  readonly daemon: Daemon;
  readonly stateDir: string;
  readonly log: RecordedLog;
  input(name: string): InputStatus;
  output(name: string): OutputStatus;
  /** The lines that a StreamOutput of that name has written, parsed. */
  lines(name: string): Promise<readonly unknown[]>;
  /** Stops it, removes its folder, and answers its exit code. */
  end(): Promise<number>;
};

export type SampleOptions = {
  readonly env?: Readonly<Record<string, string>>;
  /** Changes the text of the sample before it is read, e.g. a port that must be free. */
  readonly edit?: (text: string) => string;
};

export async function startSample(
  file: string,
  { env = {}, edit = (text) => text }: SampleOptions = {},
): Promise<SampleDaemon> {
  return startText(edit(await readFile(file, "utf8")), file, env);
}

/** The same with a configuration that a test has made up; JSON is YAML. */
export async function startText(
  text: string,
  file = "test.yaml",
  env: Readonly<Record<string, string>> = {},
  dir?: string,
): Promise<SampleDaemon> {
  const stateDir = dir ?? (await mkdtemp(join(tmpdir(), "dbus-sample-")));
  const admin = { host: "127.0.0.1", port: 0 };
  const config = await requireConfig(file, { registry, env, text, overrides: { stateDir, admin } });
  const log = recordedLog();
  const daemon = await startDaemon(config, { log: log.log });
  const found = <T extends { readonly name: string }>(all: readonly T[], name: string): T => {
    const one = all.find((each) => each.name === name);
    if (!one) throw new Error(`${file} has no ${name}`);
    return one;
  };
  return {
    daemon,
    stateDir,
    log,
    input: (name) => found(daemon.admin.stat().inputs, name),
    output: (name) => found(daemon.admin.stat().outputs, name),
    async lines(name) {
      const written = await readFile(join(stateDir, name, `${name}.ndjson`), "utf8");
      const lines = written.split("\n");
      // What follows the last line end is a line that is being written.
      return lines.slice(0, -1).map((line) => JSON.parse(line));
    },
    async end() {
      await daemon.stop("the test is over");
      const { exitCode } = await daemon.done;
      await rm(stateDir, { recursive: true, force: true });
      return exitCode;
    },
  };
}
