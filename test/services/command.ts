import { folderBytes } from "./cache.ts";
import { progress } from "./progress.ts";

/** How a tool is run: where, with what environment, and whose growth shows its progress. */
export type CommandOptions = {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** What is being done, for people; without it nothing is printed. */
  readonly what?: string;
  /** A folder whose growth is printed every few seconds. */
  readonly watch?: string;
  readonly stdin?: Uint8Array;
};

/** Runs a tool to its end and returns what it printed; throws with its last lines if it fails. */
export async function command(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const started = Date.now();
  if (options.what !== undefined) progress(options.what);
  const ticker = setInterval(() => void report(options, started), 5_000);
  try {
    const child = Bun.spawn([...argv], {
      stdin: options.stdin ?? "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const [out, err, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (code === 0) return out;
    const tail = `${out}\n${err}`.trim().split("\n").slice(-15).join("\n");
    throw new Error(`${argv.slice(0, 3).join(" ")} … ended with ${code}:\n${tail}`);
  } finally {
    clearInterval(ticker);
  }
}

async function report(options: CommandOptions, started: number): Promise<void> {
  if (options.what === undefined) return;
  const seconds = Math.round((Date.now() - started) / 1000);
  const bytes = options.watch === undefined ? 0 : await folderBytes(options.watch);
  const size = bytes === 0 ? "" : `, ${(bytes / 1024 / 1024).toFixed(0)} MiB so far`;
  progress(`${options.what} … ${seconds} s${size}`);
}
