import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { JsonText, type Packet } from "#src/flow/packet.ts";
import { compileExpression } from "#src/format/expression.ts";
import {
  changeOf,
  documentOf,
  readRecordOf,
  recordOf,
  tableOf,
  textOf,
} from "../support/field-packets.ts";

const orders = tableOf(
  "shop.orders",
  "id bigint!",
  "count int",
  "price double",
  "total decimal",
  "note text",
  "data json",
);
const data = new JsonText('{"tags":["a","b"],"big":12345678901234567890,"rate":0.5}');
const row = [18446744073709551615n, 3, 1.5, "9.90", null, data];
const packet = changeOf(orders, { after: row });

/** The value of an expression, or the code and words of what it fails with. */
function outcomeOf(source: string, of: Packet = packet): unknown {
  try {
    return compileExpression(source).evaluate(of);
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code}: ${message}`;
  }
}

describe("what an expression sees", () => {
  test.each([
    ["row.id == 18446744073709551615u", true],
    ["row.id > 9007199254740993", true],
    ["row.count == 3 && row.count < 3.5", true],
    ["row.price > 1 && row.price < 2", true],
    ["double(row.total) > 9.5", true],
    ["row.note == null", true],
    ["row.data.tags.exists(t, t == 'b')", true],
    ["row.data.big", 12345678901234567890n],
    ["row.data.rate", 0.5],
    ["has(row.nosuch)", false],
    ["op + db + table + ident + kind", "Ishopordersshoprow"],
    ["before == null && after.count == 3", true],
    ["ts > timestamp('2023-11-14T22:13:19Z')", true],
    ["gtid", "0-1-5"],
    ["row['count']", 3n],
    ["op in ['U', 'I']", true],
  ])("of a row: %s", (source, value) => {
    expect(outcomeOf(source)).toEqual(value);
  });

  test("of a document, a record and a text", () => {
    const document = documentOf('{"a":{"b":[1,2.5]},"n":18446744073709551616,"__proto__":1}');
    expect(outcomeOf("row.a.b[0] == 1 && row.a.b[1] == 2.5", document)).toBe(true);
    expect(outcomeOf("row.n", document)).toBe(18446744073709551616n);
    expect(outcomeOf("row.__proto__", document)).toBe(1n);
    expect(outcomeOf("key + string(row.x)", recordOf('{"x":1}'))).toBe("k1");
    expect(outcomeOf("value == null", recordOf(null))).toBe(true);
    const read = readRecordOf('{"x":1}');
    expect(outcomeOf("key + string(row.x) + value", read)).toBe('k1{"x":1}');
    expect(outcomeOf("ts == timestamp('1970-01-01T00:00:01Z') && size(headers) == 0", read)).toBe(
      true,
    );
    expect(outcomeOf("text.startsWith('GET')", textOf("GET /"))).toBe(true);
  });
});

/** Arithmetic and comparisons with all their parentheses, and what they give. */
const { sums } = fc.letrec<{ sums: string }>((tie) => ({
  sums: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom("1", "2", "5", "-3", "row.count", "(-(row.count))"),
    fc
      .tuple(tie("sums"), fc.constantFrom("+", "-", "*", "/", "%"), tie("sums"))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
  ),
}));

test("matches in an expression changes nothing of the rest of it", () => {
  const match = "'a'.matches('a')";
  fc.assert(
    fc.property(sums, sums, (left, right) => {
      for (const inner of [`${left} < ${right}`, `${left} - ${right}`]) {
        expect(outcomeOf(`${match} ? (${inner}) : (${inner})`)).toEqual(outcomeOf(inner));
      }
    }),
    { numRuns: 200 },
  );
  expect(outcomeOf(`1 - (2 - 3) == 2 && ${match}`)).toBe(true);
  expect(outcomeOf(`'😀' == '\\U0001F600' && 1.0e25 > 1.0 && ${match}`)).toBe(true);
});

describe("what an expression fails with", () => {
  test.each([
    ["row.nosuch == 1", "EXPRESSION_FAILED: the expression failed: No such key: nosuch"],
    ["row.note > 4", "EXPRESSION_FAILED: the expression failed: no such overload: dyn<null> > int"],
    ["row.count / 0 > 1", "EXPRESSION_FAILED: the expression failed: division by zero"],
    ["text == ''", "EXPRESSION_FAILED: the expression failed: this packet has no text"],
  ])("%s", (source, said) => {
    expect(outcomeOf(source)).toBe(said);
  });

  test("no value of the row is in the words", () => {
    for (const source of [
      "row.id + 1",
      "int(row.total)",
      "timestamp(row.total)",
      "row[row.total]",
    ]) {
      const said = String(outcomeOf(source));
      expect(said).toStartWith("EXPRESSION_FAILED");
      expect(said).not.toContain("1844");
      expect(said).not.toContain("9.90");
    }
  });

  test("what is no expression is told with its place, before anything runs", () => {
    expect(outcomeOf("row.count >")).toContain(
      "CONFIG_INVALID: not an expression: Unexpected token",
    );
    expect(outcomeOf("rwo.count > 1")).toContain("Unknown variable: rwo, at character 1");
    expect(outcomeOf("1 + 'a'")).toContain("no such overload: int + string");
    expect(outcomeOf("cel.bind(a, 1, a)")).toContain("cel.bind is not offered");
    expect(outcomeOf("row.id in [18446744073709551615u]")).toContain(
      "CONFIG_INVALID: `in` finds no",
    );
    expect(outcomeOf("row.data.tags.exists(t, t.matches('('))")).toContain(
      "CONFIG_INVALID: not a regular expression",
    );
    expect(outcomeOf("'a'.matches(db + '(')")).toContain(
      "EXPRESSION_FAILED: the expression failed",
    );
  });
});

describe("an expression comes to an end soon", () => {
  test("a pattern that would take a backtracking matcher for ever", () => {
    const long = textOf(`${"a".repeat(20_000)}b`);
    expect(outcomeOf("text.matches('^(a+)+$')", long)).toBe(false);
    expect(outcomeOf("[text].exists(t, t.matches('^(a+)+$'))", long)).toBe(false);
    expect(outcomeOf("[text].map(t, t.matches('^(a+)+$'))", long)).toEqual([false]);
  });

  test("macros within macros over a long list are refused for that packet", () => {
    const list = documentOf(JSON.stringify({ l: Array.from({ length: 20_000 }, (_, i) => i) }));
    expect(outcomeOf("row.l.exists(a, a == 19999)", list)).toBe(true);
    const nested = outcomeOf("row.l.exists(a, row.l.exists(b, a + b < 0))", list);
    expect(nested).toContain("EXPRESSION_FAILED: a list or map of 20000 elements");
  });

  test("more than three macros within one another are refused at once", () => {
    const deep = "row.l.all(a, row.l.all(b, row.l.all(c, row.l.all(d, true))))";
    expect(outcomeOf(deep)).toContain("CONFIG_INVALID: more than 3 macros");
  });

  test("whatever is written as an expression, it is compiled or refused with a code", () => {
    const words = [
      "row",
      ".",
      "a",
      "(",
      ")",
      "[",
      "]",
      "1",
      "'x'",
      "&&",
      "!",
      "?",
      ":",
      "has",
      ",",
    ];
    const sources = fc
      .array(fc.constantFrom(...words), { maxLength: 12 })
      .map((all) => all.join(""));
    fc.assert(
      fc.property(fc.oneof(sources, fc.string()), (source) => {
        const value = outcomeOf(source, documentOf('{"a":{"a":1}}'));
        if (typeof value === "string" && value.includes(": ")) {
          expect(value).toMatch(/^(CONFIG_INVALID|EXPRESSION_FAILED)/);
        }
      }),
      { numRuns: 500 },
    );
  });
});
