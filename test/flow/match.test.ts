import { expect, test } from "bun:test";
import fc from "fast-check";
import { identMatches, patternsIntersect } from "#src/flow/match.ts";

const pattern = fc.string({ unit: fc.constantFrom("a", "b", ".", "*"), maxLength: 8 });
const ident = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 8 });

test.each([
  ["shop.orders", "shop.orders", true],
  ["shop.orders", "shop.order", false],
  ["shop.*", "shop.orders", true],
  ["shop.*", "shop.", true],
  ["shop.*", "shop", false],
  ["*", "", true],
  ["*.orders", "eu.shop.orders", true],
  ["s*p.*s", "shop.orders", true],
  ["s*p.*s", "shop.order", false],
  ["", "", true],
  ["", "a", false],
  ["Shop", "shop", false],
  ["a.c", "abc", false],
])("%p against %p is %p", (p, i, expected) => {
  expect(identMatches(p, i)).toBe(expected);
});

test("matching agrees with the same pattern as a regular expression", () => {
  fc.assert(
    fc.property(pattern, ident, (p, i) => {
      const source = [...p].map((c) => (c === "*" ? "[^]*" : c === "." ? "\\." : c)).join("");
      expect(identMatches(p, i)).toBe(new RegExp(`^${source}$`).test(i));
    }),
  );
});

test("a pattern made to blow up backtracking is answered at once", () => {
  expect(identMatches(`${"*a".repeat(200)}b`, "a".repeat(5000))).toBe(false);
});

test.each([
  ["a*", "*b", true],
  ["a*", "b*", false],
  ["*", "anything", true],
  ["shop.*", "*.orders", true],
  ["shop.*", "crm.orders", false],
  ["a*c", "ac", true],
  ["a*c", "a", false],
  ["", "*", true],
  ["", "a", false],
])("whether %p and %p can meet is %p", (a, b, expected) => {
  expect(patternsIntersect(a, b)).toBe(expected);
  expect(patternsIntersect(b, a)).toBe(expected);
});

test("patterns that both match an ident intersect, and a plain one intersects what matches it", () => {
  fc.assert(
    fc.property(pattern, pattern, ident, (a, b, i) => {
      if (identMatches(a, i) && identMatches(b, i)) expect(patternsIntersect(a, b)).toBe(true);
      expect(patternsIntersect(a, i)).toBe(identMatches(a, i));
    }),
  );
});

test("two patterns that no short ident satisfies do not intersect", () => {
  const short = fc.string({ unit: fc.constantFrom("a", "b", "*"), maxLength: 3 });
  const all = [""];
  for (let at = 0; all[at]!.length < 6; at++) all.push(`${all[at]}a`, `${all[at]}b`);
  fc.assert(
    fc.property(short, short, (a, b) => {
      const both = all.some((i) => identMatches(a, i) && identMatches(b, i));
      expect(patternsIntersect(a, b)).toBe(both);
    }),
  );
});
