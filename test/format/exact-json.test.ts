import { expect, test } from "bun:test";
import fc from "fast-check";
import { exactText, isExactObject, parseExact } from "#src/format/exact-json.ts";
import { fieldAt, renamed, withField } from "#src/format/field-path.ts";

const never = (name: string): never => {
  throw new Error(`${name} is taken`);
};

test("numbers are written again digit by digit", () => {
  for (const text of ["1.10", "12345678901234567890", "-0", "1e400", "1E5", "0.1", "-12.50e-3"]) {
    expect(exactText(parseExact(`{"n":${text}}`))).toBe(`{"n":${text}}`);
  }
});

test("whatever JSON is read, what is written says the same", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const again = exactText(parseExact(text));
      expect(JSON.stringify(JSON.parse(again))).toBe(JSON.stringify(JSON.parse(text)));
    }),
  );
});

test("an error says nothing of the text, so that no log tells what was no JSON", () => {
  for (const text of ["hunter2", '{"a": hunter2}', "1.5 hunter2"]) {
    expect(() => parseExact(text)).toThrow("not JSON");
    expect(() => parseExact(text)).not.toThrow("hunter2");
  }
});

test("a key like __proto__ is a key, and nothing of the prototypes changes", () => {
  const object = parseExact('{"__proto__":{"x":1},"a":1}');
  if (!isExactObject(object)) throw new Error("it is an object");
  expect(exactText(withField(object, "__proto__", 2))).toBe('{"__proto__":2,"a":1}');
  expect(exactText(renamed({ a: 1 }, new Map([["a", "__proto__"]]), never))).toBe(
    '{"__proto__":1}',
  );
  expect(exactText(withField(object, "__proto__.x", 3))).toBe('{"__proto__":{"x":3},"a":1}');
  expect(({} as { x?: number }).x).toBeUndefined();
});

test("a path goes into objects, unless a field is called so itself", () => {
  const object = { "a.b": 1, a: { b: 2, c: { d: 3 } } };
  expect([fieldAt(object, "a.b"), fieldAt(object, "a.c.d"), fieldAt(object, "a.x.y")]).toEqual([
    1,
    3,
    undefined,
  ]);
  expect(exactText(withField(object, "a.c.d", undefined))).toBe('{"a.b":1,"a":{"b":2,"c":{}}}');
  expect(exactText(withField(object, "n.m", 4))).toBe(
    '{"a.b":1,"a":{"b":2,"c":{"d":3}},"n":{"m":4}}',
  );
  expect(exactText(renamed(object, new Map([["a.c", "z"]]), never))).toBe(
    '{"a.b":1,"a":{"b":2,"z":{"d":3}}}',
  );
});
