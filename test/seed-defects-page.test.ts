import { expect, test } from "bun:test";
import { missingOf, numberOf, rowsOf, testSources, testsOf } from "./support/shown-by.ts";

const rows = rowsOf("seed-defects.md", /\d+/);

/** Defects of plugins that are not built yet. */
const waiting: ReadonlySet<string> = new Set(["17", "18", "20"]);

test("every defect has its row: with tests that are there, or with what it waits for", () => {
  expect(rows.map(numberOf)).toEqual(Array.from({ length: 56 }, (_, at) => `${at + 1}`));
  const bare = rows.filter((row) => testsOf(row).length === 0).map(numberOf);
  expect(bare).toEqual([...waiting]);
  expect(rows.flatMap((row) => missingOf(testsOf(row)))).toEqual([]);
});

test("every test that names the number of a defect is on the page", () => {
  const listed = new Set(rows.flatMap(testsOf).map(({ file, title }) => `${file} ${title}`));
  const unlisted = testSources().flatMap(({ file, text }) => {
    const titles = [...text.matchAll(/"(defect \d+: [^"\n]+)"/g)].map(([, title]) => title);
    return titles.map((title) => `${file} ${title}`).filter((line) => !listed.has(line));
  });
  expect(unlisted).toEqual([]);
});
