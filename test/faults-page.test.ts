import { expect, test } from "bun:test";
import { missingOf, numberOf, rowsOf, testSources, testsOf } from "./support/shown-by.ts";

const rows = rowsOf("faults.md", /\d+/);

test("every fault of the page is shown by tests that are there", () => {
  expect(rows.length).toBeGreaterThan(40);
  for (const row of rows) {
    const tests = testsOf(row);
    expect([row, tests.length > 0]).toEqual([row, true]);
    expect(missingOf(tests)).toEqual([]);
  }
});

test("every test that names the number of a fault is on the page", () => {
  const listed = new Set(
    rows.flatMap((row) => testsOf(row).map(({ file }) => `${numberOf(row)} ${file}`)),
  );
  const unlisted = testSources().flatMap(({ file, text }) => {
    const named = [...text.matchAll(/\(faults? ([\d, ]+)\)|"fault (\d+):/g)];
    const numbers = named.flatMap(([, some, one]) => (some ?? one ?? "").match(/\d+/g) ?? []);
    return numbers.map((number) => `${number} ${file}`).filter((line) => !listed.has(line));
  });
  expect(unlisted).toEqual([]);
});
