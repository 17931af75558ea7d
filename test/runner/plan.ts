import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One `bun test` process: the unit tests share one, each other file has its own. */
export type Job = {
  readonly name: string;
  readonly files: readonly string[];
  /** What follows `bun test`, files included. */
  readonly args: readonly string[];
  readonly timeoutMs: number;
};

/** The top folder of the repository. */
export const root: string = join(import.meta.dir, "../..");

/** The test files that the words select, as paths from the top folder, in a fixed order. */
export function selectFiles(words: readonly string[]): string[] {
  const all = [...new Bun.Glob("test/**/*.test.ts").scanSync({ cwd: root })].sort();
  const files = all.filter((file) => !file.startsWith("test/fixtures/"));
  if (words.length === 0) return files;
  return files.filter((file) => words.some((word) => selects(word, file)));
}

function selects(word: string, file: string): boolean {
  if (word === "unit") return !isIntegration(file);
  if (word === "integration") return isIntegration(file);
  return file.includes(word.replace(/^\.\//, ""));
}

function isIntegration(file: string): boolean {
  return /^test\/(integration|bench|services)\//.test(file);
}

/** Simulations need no server, but a core of their own for a while. */
function isAlone(file: string): boolean {
  return isIntegration(file) || file.startsWith("test/simulation/");
}

/** Divides files into jobs; the longest come first, so that none of them is left for the end. */
export function planJobs(files: readonly string[], extra: readonly string[]): Job[] {
  const unit = files.filter((file) => !isAlone(file));
  const jobs = files.filter(isAlone).map((file) => ({
    name: file,
    files: [file],
    args: ["--timeout=60000", ...extra, `./${file}`],
    timeoutMs: fileTimeoutMs(file),
  }));
  jobs.sort((a, b) => b.timeoutMs - a.timeoutMs);
  if (unit.length === 0) return jobs;
  const paths = unit.map((file) => `./${file}`);
  const args = ["--timeout=30000", ...extra, ...paths];
  return [{ name: "unit tests", files: unit, args, timeoutMs: 15 * 60_000 }, ...jobs];
}

/** Ten minutes, unless the file says otherwise: `// test-timeout: 25m` among its first lines. */
function fileTimeoutMs(file: string): number {
  const head = readFileSync(join(root, file), "utf8").slice(0, 2_000);
  const minutes = /^\/\/ test-timeout: (\d+)m$/m.exec(head)?.[1];
  return Number(minutes ?? 10) * 60_000;
}
