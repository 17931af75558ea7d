import { afterAll } from "bun:test";
import { join } from "node:path";
import { waitFor } from "./wait-for.ts";

/** A command that runs, and what it has said so far. */
export type Command = {
  readonly pid: number;
  out(): string;
  err(): string;
  readonly running: boolean;
  kill(signal: NodeJS.Signals): void;
  /** What it reads on standard input. */
  write(text: string): void;
  endInput(): void;
  /** The exit code, 128 and the number for a signal; throws with what it said after 20 s. */
  ended(): Promise<number>;
};

export type CommandOptions = {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
};

const repo = join(import.meta.dir, "..", "..");
export const dbusdCommand: readonly string[] = [process.execPath, join(repo, "src/cli/dbusd.ts")];
export const dbcCommand: readonly string[] = [process.execPath, join(repo, "src/cli/dbc.ts")];

/** Starts a command as a person does; whatever a test leaves running is ended after the file. */
export function startCommand(argv: readonly string[], { cwd, env }: CommandOptions): Command {
  const child = Bun.spawn([...argv], {
    cwd,
    env: { ...process.env, ...env },
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  afterAll(() => child.kill("SIGKILL"));
  const out = collect(child.stdout);
  const err = collect(child.stderr);
  const running = () => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid,
    out: out.text,
    err: err.text,
    get running() {
      return running();
    },
    kill: (signal) => child.kill(signal),
    write(text) {
      child.stdin.write(text);
      void child.stdin.flush();
    },
    endInput: () => void child.stdin.end(),
    async ended() {
      const said = () => `the end of ${argv.join(" ")}, which said: ${out.text()}${err.text()}`;
      await waitFor(() => !running(), { what: "its end", timeoutMs: 20_000 }).catch(() => {
        throw new Error(`waited for ${said()}`);
      });
      await Promise.all([out.done, err.done]);
      return child.exited;
    },
  };
}

function collect(stream: ReadableStream<Uint8Array>): { text(): string; done: Promise<void> } {
  let text = "";
  const decoder = new TextDecoder();
  const read = async () => {
    for await (const chunk of stream) text += decoder.decode(chunk, { stream: true });
  };
  return { text: () => text, done: read() };
}

/** The admin address that a dbusd logged, once it is ready unless that is not waited for. */
export async function adminOf(dbusd: Command, { ready = true } = {}): Promise<string> {
  const url = await waitFor(
    () => {
      if (!dbusd.running) throw new Error(`it ended: ${dbusd.err()}`);
      return /"admin":"([^"]+)"/.exec(dbusd.err())?.[1];
    },
    { what: "dbusd to say where its admin API is", timeoutMs: 20_000 },
  );
  const answers = async () => (await fetch(`${url}/readyz`)).ok;
  if (ready) await waitFor(answers, { what: "dbusd to be ready" });
  return url;
}
