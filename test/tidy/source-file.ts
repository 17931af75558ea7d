import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One source file as the house rules see it. `path` is from the top folder, with slashes. */
export type SourceFile = {
  readonly path: string;
  readonly text: string;
  /** The text without comments and with empty strings, for rules about words of the language. */
  readonly code: string;
};

/** A rule answers with what is wrong in a file, a line each; nothing when all is well. */
export type Rule = {
  readonly name: string;
  readonly check: (file: SourceFile) => readonly string[];
};

const root = join(import.meta.dir, "../..");

/** Every TypeScript file of the project, without recorded fixtures. */
export function sourceFiles(): SourceFile[] {
  const paths = [...new Bun.Glob("{src,actors,plugins,test}/**/*.ts").scanSync({ cwd: root })];
  return paths
    .filter((path) => !path.startsWith("test/fixtures/"))
    .sort()
    .map((path) => sourceFile(path, readFileSync(join(root, path), "utf8")));
}

export function sourceFile(path: string, text: string): SourceFile {
  return { path, text, code: blank(text) };
}

const token =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`/g;

/** Blanks comments and strings, keeping line breaks so that line numbers stay right. */
function blank(text: string): string {
  return text.replace(token, (found) => found.replace(/[^\n]/g, " "));
}

/** Says on which lines `pattern` is found; the pattern must be global. */
export function linesWith(text: string, pattern: RegExp, what: string): string[] {
  return [...text.matchAll(pattern)].map((found) => {
    const line = text.slice(0, found.index).split("\n").length;
    return `line ${line}: ${what}`;
  });
}
