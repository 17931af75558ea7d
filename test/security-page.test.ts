import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const page = readFileSync(join(import.meta.dir, "..", "docs", "security.md"), "utf8");
const rows = page.split("\n").filter((line) => /^\| S\d+ \|/.test(line));
const numberOf = (row: string) => /^\| (S\d+) \|/.exec(row)?.[1] ?? "";

/** The tests that a row names: each quoted title stands in the file that is named before it. */
function testsOf(row: string): { readonly file: string; readonly title: string }[] {
  let file = "";
  return [...row.matchAll(/`([\w/.-]+\.ts)`|"([^"]+)"/g)].flatMap(([, path, title]) => {
    if (path !== undefined) file = path;
    return title === undefined ? [] : [{ file, title }];
  });
}

test("every rule has its row: with tests, or with what it waits for", () => {
  const numbers = Array.from({ length: 20 }, (_, at) => `S${at + 1}`);
  expect(rows.map(numberOf)).toEqual(numbers);
  const bare = rows.filter((row) => testsOf(row).length === 0);
  expect(bare.map(numberOf).filter((number) => !waiting.has(number))).toEqual([]);
});

/** Rules of the cluster and of outputs that are not built yet. */
const waiting: ReadonlySet<string> = new Set("S2 S8 S9 S11 S12 S13 S14 S15 S16 S19 S20".split(" "));

test("every test that the page names is there", () => {
  const missing = rows.flatMap(testsOf).filter(({ file, title }) => {
    const path = join(import.meta.dir, file);
    return !existsSync(path) || !readFileSync(path, "utf8").includes(title);
  });
  expect(missing).toEqual([]);
});

test("every test that names a rule is on the page, with its title", () => {
  const listed = new Set(
    rows.flatMap((row) =>
      testsOf(row).map(({ file, title }) => `${numberOf(row)} ${file} ${title}`),
    ),
  );
  const unlisted = [...new Bun.Glob("**/*.ts").scanSync(import.meta.dir)].flatMap((file) => {
    const text = readFileSync(join(import.meta.dir, file), "utf8");
    const titles = [...text.matchAll(/"((?:(S\d+): [^"\n]+)|(?:[^"\n]+ \((S\d+)\)))"/g)];
    return titles
      .map(([, title, before, after]) => `${before?.match(/S\d+/)?.[0] ?? after} ${file} ${title}`)
      .filter((line) => !listed.has(line));
  });
  expect(unlisted).toEqual([]);
});
