import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** A child process whose lines on standard output are waited for one by one. */
export type LineProcess = {
  readonly child: ChildProcess;
  /** Every line so far. */
  readonly lines: string[];
  /** The next line that has not been asked for; rejects when the process ends before. */
  next(): Promise<string>;
  /** Kills it with SIGKILL and waits for its end. */
  kill(): Promise<void>;
};

export function startLines(command: string, args: readonly string[]): LineProcess {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  const waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  let asked = 0;
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  createInterface({ input: child.stdout! }).on("line", (line) => {
    lines.push(line);
    const first = waiting.shift();
    if (first) {
      asked++;
      first.resolve(line);
    }
  });
  let over = false;
  void ended.then(() => {
    over = true;
    for (const { reject } of waiting) reject(new Error("the process has ended"));
  });
  return {
    child,
    lines,
    next() {
      const line = lines[asked];
      if (line !== undefined) {
        asked++;
        return Promise.resolve(line);
      }
      if (over) return Promise.reject(new Error("the process has ended"));
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
