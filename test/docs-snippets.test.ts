import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { loadConfig } from "#src/config/load.ts";
import { problemsText } from "#src/config/problem.ts";
import { runTestFile } from "#src/pipeline-test/run-tests.ts";
import { testFileSchema } from "#src/pipeline-test/test-file.ts";
import { registry } from "./support/sample-daemon.ts";

const root = join(import.meta.dir, "..");
const scratch = mkdtempSync(join(tmpdir(), "dbus-snippets-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

type Snippet = { readonly at: string; readonly text: string };
type Section = readonly { readonly name: string; readonly match?: string | readonly string[] }[];
type Written = { inputs?: Section; filters?: Section; outputs?: Section; tests?: unknown };

function snippetsOf(page: string): readonly Snippet[] {
  const text = readFileSync(join(root, page), "utf8");
  return [...text.matchAll(/^```ya?ml\n([\s\S]*?)^```/gm)].map((found) => {
    const line = text.slice(0, found.index).split("\n").length + 1;
    return { at: `${page}:${line}`, text: found[1] ?? "" };
  });
}

const folders = [".", "docs", "docs/adr", "docs/plugins"];
const pages = folders.flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name)),
);
const snippets = pages.flatMap(snippetsOf);
const isTests = ({ text }: Snippet) => (parse(text) as Written).tests !== undefined;

/** A page shows a part: inputs that nobody shows, and an output if there is none, stand around it. */
function wholeOf({ text }: Snippet): string {
  // A secret of the reader's own.
  const shown = text.replaceAll(/\$\{file:[^}]*\}/g, "reader:secret-of-this-page");
  const { inputs = [], filters = [], outputs = [] } = parse(shown) as Written;
  const made = new Set([...inputs, ...filters].map(({ name }) => name));
  const wanted = [...filters, ...outputs].flatMap(({ match = [] }) => match);
  const missing = [...new Set(wanted)].filter((ident) => !made.has(ident));
  const around = [];
  if (inputs.length === 0) {
    const names = missing.length > 0 ? missing : ["shown"];
    around.push("inputs:", ...names.map((name) => `  - {name: ${name}, plugin: MockInput}`));
  }
  if (outputs.length === 0)
    around.push("outputs:", '  - {name: all, plugin: MockOutput, match: "*"}');
  return `${shown}\n${around.join("\n")}\n`;
}

test("there are snippets, and each is YAML", () => {
  expect(snippets.length).toBeGreaterThan(4);
  for (const { text } of snippets) expect(typeof parse(text)).toBe("object");
});

for (const snippet of snippets.filter((one) => !isTests(one))) {
  test(`${snippet.at} is a part of a configuration that can be used`, async () => {
    const options = { registry, text: wholeOf(snippet), env: { HASH_KEY: "the-key-of-a-reader" } };
    const { problems } = await loadConfig(join(scratch, "snippet.yaml"), options);
    expect(problemsText(problems)).toBe("");
  });
}

test("the tests that docs/operators.md shows pass for the pipeline that it shows", async () => {
  const [pipeline, tests] = snippetsOf("docs/operators.md");
  if (!pipeline || !tests) throw new Error("no snippets");
  expect(() => testFileSchema.parse(parse(tests.text))).not.toThrow();
  writeFileSync(join(scratch, "shop.yaml"), wholeOf(pipeline));
  writeFileSync(join(scratch, "shop.test.yaml"), tests.text);
  const { tests: results } = await runTestFile(join(scratch, "shop.test.yaml"), {
    registry,
    env: {},
  });
  expect(results.length).toBeGreaterThan(0);
  expect(results.filter(({ ok }) => !ok)).toEqual([]);
});
