import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** A test that a page names: its file below `test/`, and its title or the beginning of it. */
export type ShownBy = { readonly file: string; readonly title: string };

const tests = join(import.meta.dir, "..");

/** The rows of the tables of a page of `docs/` whose first cell is like `number`. */
export function rowsOf(page: string, number: RegExp): string[] {
  const text = readFileSync(join(tests, "..", "docs", page), "utf8");
  const row = new RegExp(`^\\| (?:${number.source}) \\|`);
  return text.split("\n").filter((line) => row.test(line));
}

/** What stands in the first cell. */
export function numberOf(row: string): string {
  return /^\| (\S+) \|/.exec(row)?.[1] ?? "";
}

/** The tests that a row names: each quoted title stands in the file that is named before it. */
export function testsOf(row: string): ShownBy[] {
  let file = "";
  return [...row.matchAll(/`([\w/.-]+\.ts)`|"([^"]+)"/g)].flatMap(([, path, title]) => {
    if (path !== undefined) file = path;
    return title === undefined ? [] : [{ file, title }];
  });
}

/** Those of them that are not there. */
export function missingOf(shown: readonly ShownBy[]): ShownBy[] {
  return shown.filter(({ file, title }) => {
    const path = join(tests, file);
    return !existsSync(path) || !readFileSync(path, "utf8").includes(title);
  });
}

/** Every file below `test/` with its text. */
export function testSources(): { readonly file: string; readonly text: string }[] {
  return [...new Bun.Glob("**/*.ts").scanSync(tests)].map((file) => ({
    file,
    text: readFileSync(join(tests, file), "utf8"),
  }));
}
