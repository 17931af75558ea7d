import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const page = readFileSync(join(import.meta.dir, "..", "docs", "faults.md"), "utf8");
const rows = page.split("\n").filter((line) => /^\| \d+ \|/.test(line));

/** The tests that a row names: each quoted title stands in the file that is named before it. */
function testsOf(row: string): { readonly file: string; readonly title: string }[] {
  let file = "";
  return [...row.matchAll(/`([\w/.-]+\.ts)`|"([^"]+)"/g)].flatMap(([, path, title]) => {
    if (path !== undefined) file = path;
    return title === undefined ? [] : [{ file, title }];
  });
}

test("every fault of the page is shown by tests that are there", () => {
  expect(rows.length).toBeGreaterThan(40);
  for (const row of rows) {
    const tests = testsOf(row);
    expect([row, tests.length > 0]).toEqual([row, true]);
    const missing = tests.filter(({ file, title }) => {
      const path = join(import.meta.dir, file);
      return !existsSync(path) || !readFileSync(path, "utf8").includes(title);
    });
    expect(missing).toEqual([]);
  }
});

test("every test that names the number of a fault is on the page", () => {
  const listed = new Set(
    rows.flatMap((row) => testsOf(row).map(({ file }) => `${row.match(/\d+/)?.[0]} ${file}`)),
  );
  const sources = new Bun.Glob("**/*.ts").scanSync(import.meta.dir);
  const unlisted = [...sources].flatMap((file) => {
    const text = readFileSync(join(import.meta.dir, file), "utf8");
    const named = [...text.matchAll(/\(faults? ([\d, ]+)\)|"fault (\d+):/g)];
    const numbers = named.flatMap(([, some, one]) => (some ?? one ?? "").match(/\d+/g) ?? []);
    return numbers.map((number) => `${number} ${file}`).filter((line) => !listed.has(line));
  });
  expect(unlisted).toEqual([]);
});
