import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { DbusError, type InputContext } from "#plugin";
import { type CountedLines, countLines, createGate, readLines } from "./byte-source.ts";
import { again } from "./retry.ts";
import type { StreamInputConfig } from "./stream-input-config.ts";

/** How long a command may take to end by itself before it is killed. */
const GRACE_MS = 1000;
const STDERR_LINES_MAX = 1000;

/** Reads the output of a command, which is started again as `restart` says. */
export async function runCommand(
  command: readonly string[],
  config: StreamInputConfig,
  context: InputContext,
): Promise<void> {
  const lines = countLines(config, context);
  await again(config, context, "STREAM_COMMAND", command[0] ?? "", async () => {
    const failure = await runOnce(command, config, context, lines);
    if (config.restart === "never" && failure !== null) {
      throw new DbusError("STREAM_COMMAND", `${command[0]} ${failure}`);
    }
    if (config.restart === "never" || (config.restart === "failure" && failure === null))
      return "end";
    return { again: failure ?? "has ended" };
  });
}

/** Runs it to its end; answers why it failed, or null when it ended well. */
async function runOnce(
  command: readonly string[],
  config: StreamInputConfig,
  context: InputContext,
  lines: CountedLines,
): Promise<string | null> {
  const { signal } = context;
  const [program = "", ...args] = command;
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    shell: false,
    env: { ...environment(), ...config.env },
  });
  const ended = new Promise<string | null>((resolve) => {
    child.on("error", (error) => resolve(`cannot be started: ${error.message}`));
    child.on("close", (code, by) => resolve(code === 0 ? null : `ended with ${by ?? code}`));
  });
  const started = once(child, "spawn").then(
    () => true,
    () => false,
  );
  if (!(await started)) return ended;
  context.reportState(null);
  logErrors(child, context);
  try {
    const failure = () => untilAborted(ended, signal);
    // A command that was killed may have stopped in the middle of a line.
    const isTorn = async () => (await failure()) !== null;
    if (child.stdout) await readLines(child.stdout, config, lines, signal, createGate(), isTorn);
    return signal.aborted ? null : await failure();
  } finally {
    await endChild(child, context, ended);
  }
}

/** What a program needs to run; secrets in the environment of dbusd are none of its business. */
function environment(): Record<string, string> {
  const kept = ["PATH", "HOME", "USER", "LANG", "TZ"];
  return Object.fromEntries(
    kept.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** What it says on its standard error goes to the log, the first lines of it. */
function logErrors(child: ChildProcess, { log, name }: InputContext): void {
  if (!child.stderr) return;
  let count = 0;
  createInterface({ input: child.stderr }).on("line", (text) => {
    if (count++ < STDERR_LINES_MAX) log.warn("the command says", { input: name, text });
  });
}

function untilAborted(ended: Promise<string | null>, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    const onAbort = () => resolve(null);
    signal.addEventListener("abort", onAbort, { once: true });
    void ended.then((failure) => {
      signal.removeEventListener("abort", onAbort);
      resolve(failure);
    });
  });
}

async function endChild(
  child: ChildProcess,
  context: InputContext,
  ended: Promise<unknown>,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  child.stdout?.destroy();
  const timer = context.clock.after(GRACE_MS, () => child.kill("SIGKILL"));
  await ended;
  timer.cancel();
}
