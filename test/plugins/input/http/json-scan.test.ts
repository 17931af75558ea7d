import { expect, test } from "bun:test";
import fc from "fast-check";
import { DEPTH_MAX, type JsonSpan, placeOf, scanJson } from "#plugins/input/http/json-scan.ts";

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};
const valid = (text: string): boolean => !("offset" in scanJson(text));

test.each([
  ["", 0],
  ["  ", 2],
  ["{", 1],
  ["[1,]", 3],
  ["[1 2]", 3],
  ['{"a":1,}', 7],
  ['{"a" 1}', 5],
  ["{a:1}", 1],
  ["'a'", 0],
  ['"a', 2],
  ['"a\nb"', 2],
  ['"a\\x"', 2],
  ['"\\u12g4"', 1],
  ["01", 1],
  ["1.", 1],
  ["-", 0],
  ["+1", 0],
  ["NaN", 0],
  ["nul", 0],
  ["[1]]", 3],
  ["{} {}", 3],
  ['{"a":tru}', 5],
  ["\u00a01", 0],
])("%p is no JSON, from offset %d on", (text, offset) => {
  expect(isJson(text)).toBe(false);
  expect(scanJson(text)).toMatchObject({ offset });
});

test.each(["0", "-0.5e+10", '""', '"\\u00e9\\n"', "[]", "{}", " [ ] ", '{"a":[{"b":[]}]}', "null"])(
  "%p is JSON",
  (text) => expect(valid(text)).toBe(true),
);

test("it says the same of any text as JSON.parse does", () => {
  const piece = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    "1",
    "-",
    "true",
    " ",
    "\\",
    '"',
  );
  const text = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((all) => all.join("")),
    fc.json(),
    fc.string(),
  );
  fc.assert(
    fc.property(text, (one) => {
      const found = scanJson(one);
      const deep = "message" in found && found.message.includes("levels deep");
      if (!deep) expect([one, !("offset" in found)]).toEqual([one, isJson(one)]);
    }),
    { numRuns: 3000 },
  );
});

test("the elements of a list come out as they were written", () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue({ maxDepth: 3 })),
      fc.constantFrom(0, 2),
      (values, indent) => {
        const text = JSON.stringify(values, null, indent);
        const elements: JsonSpan[] = [];
        expect(scanJson(` ${text}\n`, 0, elements)).not.toHaveProperty("offset");
        const texts = elements.map(({ from, to }) => ` ${text}\n`.slice(from, to));
        expect(texts.map((one) => JSON.parse(one))).toEqual(JSON.parse(text));
      },
    ),
  );
  const elements: JsonSpan[] = [];
  const text = "[ 1.10 , 18446744073709551615,\n[2,3] ]";
  scanJson(text, 0, elements);
  expect(elements.map(({ from, to }) => text.slice(from, to))).toEqual([
    "1.10",
    "18446744073709551615",
    "[2,3]",
  ]);
});

test("depth is bounded, so a body of brackets exhausts nothing (S6)", () => {
  expect(valid("[".repeat(DEPTH_MAX) + "]".repeat(DEPTH_MAX))).toBe(true);
  expect(scanJson("[".repeat(1_000_000))).toEqual({
    offset: DEPTH_MAX,
    message: "it is more than 32 levels deep",
  });
});

test("a string of many megabytes is scanned in linear time and without a deep stack", () => {
  expect(valid(`["${'a\\"'.repeat(4_000_000)}"]`)).toBe(true);
});

test("places are counted from 1", () => {
  expect(placeOf("ab\ncd", 0)).toEqual({ line: 1, column: 1 });
  expect(placeOf("ab\ncd", 4)).toEqual({ line: 2, column: 2 });
});
