import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { builtins } from "#plugins/index.ts";
import { loadConfig } from "#src/config/load.ts";
import { hasErrors, problemsText } from "#src/config/problem.ts";
import { createRegistry } from "#src/plugin/registry.ts";
import { fakeRegistry } from "./fake-plugins.ts";

const etc = join(import.meta.dir, "..", "..", "etc");
const registry = createRegistry(builtins);
const samples = readdirSync(etc)
  .filter((name) => name.endsWith(".yaml") && !name.endsWith(".test.yaml"))
  .map((name) => readFileSync(join(etc, name), "utf8"));

/** Either a config or an error, and every problem has a place in the text. */
async function checkAnswer(text: string, known = registry): Promise<void> {
  const { config, problems } = await loadConfig("c.yaml", { registry: known, text, env: {} });
  expect(config === null).toBe(hasErrors(problems));
  const lines = text.split(/\r\n|\r|\n/);
  const placed = problems.filter(({ place, message, remedy }) => {
    const { line = 0, column = 0 } = place;
    return line >= 1 && line <= lines.length + 1 && column >= 1 && message && remedy;
  });
  expect(placed).toHaveLength(problems.length);
  expect(problemsText(problems)).not.toContain("[object Object]");
}

test("whatever the text is, there is an answer with a place, and never an exception", async () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 5 }),
    fc.constantFrom(..."[]{}:,-#&*!|>'\"%@`\t\n ", "\n  ", "${A}", "${file:x}", "inputs:", "- "),
  );
  const text = fc.array(piece, { maxLength: 40 }).map((all) => all.join(""));
  await fc.assert(fc.asyncProperty(text, (one) => checkAnswer(one, fakeRegistry)));
});

test("a sample with anything cut out or put in is either used or refused with a place", async () => {
  const change = fc.record({
    sample: fc.constantFrom(...samples),
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    cut: fc.nat(30),
    put: fc.constantFrom("", " ", "\n", "\t", ":", "- ", "x", "'", "{", "null", "1e999", "*a"),
  });
  await fc.assert(
    fc.asyncProperty(change, ({ sample, at, cut, put }) => {
      const start = Math.floor(at * sample.length);
      return checkAnswer(sample.slice(0, start) + put + sample.slice(start + cut));
    }),
    { numRuns: 150 },
  );
});

test("values of any JSON type in any field are refused with a place, or fit", async () => {
  const keys = ["name", "plugin", "match", "batch", "port", "tables", "tls", "acks", "x"];
  const entry = fc.dictionary(fc.constantFrom(...keys), fc.jsonValue({ maxDepth: 3 }));
  const whole = fc.record(
    {
      inputs: fc.oneof(fc.array(entry, { maxLength: 3 }), fc.jsonValue()),
      filters: fc.oneof(fc.array(entry, { maxLength: 3 }), fc.jsonValue()),
      outputs: fc.oneof(fc.array(entry, { maxLength: 3 }), fc.jsonValue()),
      bus: fc.jsonValue(),
      admin: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(whole, (value) => checkAnswer(JSON.stringify(value, null, 1), fakeRegistry)),
  );
});
