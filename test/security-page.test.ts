import { expect, test } from "bun:test";
import { missingOf, numberOf, rowsOf, testSources, testsOf } from "./support/shown-by.ts";

const rows = rowsOf("security.md", /S\d+/);

test("every rule has its row, with tests", () => {
  const numbers = Array.from({ length: 20 }, (_, at) => `S${at + 1}`);
  expect(rows.map(numberOf)).toEqual(numbers);
  const bare = rows.filter((row) => testsOf(row).length === 0);
  expect(bare.map(numberOf)).toEqual([]);
});

test("every test that the page names is there", () => {
  expect(missingOf(rows.flatMap(testsOf))).toEqual([]);
});

test("every test that names a rule is on the page, with its title", () => {
  const listed = new Set(
    rows.flatMap((row) =>
      testsOf(row).map(({ file, title }) => `${numberOf(row)} ${file} ${title}`),
    ),
  );
  const unlisted = testSources().flatMap(({ file, text }) => {
    const titles = [...text.matchAll(/["`]((?:(S\d+): [^"`\n]+)|(?:[^"`\n]+ \((S\d+)\)))["`]/g)];
    return titles
      .map(([, title, before, after]) => `${before?.match(/S\d+/)?.[0] ?? after} ${file} ${title}`)
      .filter((line) => !listed.has(line));
  });
  expect(unlisted).toEqual([]);
});
