import { expect, test } from "bun:test";
import { canonicalText, parseExact } from "../../support/ledger.ts";
import { expectedOf, tablesOf } from "./expected.ts";
import { type SeenRecord, seenRecord } from "./records.ts";
import { differenceOf } from "./table.ts";

function record(offset: number, key: string | null, value: string | null): SeenRecord {
  const bytes = (text: string | null) => (text === null ? null : Buffer.from(text));
  return seenRecord({
    ...{ topic: "n.t0", partition: 0, offset: BigInt(offset), timestamp: 1, headers: {} },
    ...{ key: bytes(key), value: bytes(value) },
  });
}

const json = (n: number) => `{"n":${n},"big":18446744073709551615,"t":"ä"}`;
const source = [
  record(0, "old", json(0)),
  record(1, "a", json(1)),
  record(2, "b", json(2)),
  record(3, "a", json(3)),
  record(4, "b", null),
  record(5, "ä/", json(5)),
  record(6, null, json(6)),
];
const expected = expectedOf({ filter: undefined }, "n", {
  aborted: new Set(),
  isBefore: ({ offset }) => offset < 1,
});
const none = new Set<string>();
const [[index, table] = ["", new Map()]] = tablesOf(source, expected, none);
const odd = `~${Buffer.from("ä/").toString("base64url")}`;
const documents = () =>
  new Map([
    ["a", canonicalText(parseExact(json(3)))],
    [odd, canonicalText(parseExact(json(5)))],
  ]);

test("the table of a topic is the last record of each key, and none of a tombstone", () => {
  expect(index).toBe("n-to.n.t0");
  const values = Object.fromEntries([...table].map(([id, one]) => [id, [...one]]));
  const odd5 = Buffer.from(json(5)).toString("latin1");
  expect(values).toEqual({
    a: [Buffer.from(json(3)).toString("latin1")],
    b: [null],
    [odd]: [odd5],
  });
  expect(differenceOf(table, documents())).toEqual([]);
});

test("a document that is missing, left over or another one is named", () => {
  const missing = documents();
  missing.delete(odd);
  expect(differenceOf(table, missing)).toEqual([`1 missing, such as ${odd}`]);
  const left = documents().set("b", canonicalText(parseExact(json(2))));
  expect(differenceOf(table, left)).toEqual(["1 left, such as b"]);
  const old = documents().set("a", canonicalText(parseExact(json(1))));
  expect(differenceOf(table, old)).toEqual(["1 changed, such as a"]);
  const rounded = documents().set("a", canonicalText(parseExact(json(3).replace("615", "616"))));
  expect(differenceOf(table, rounded)).toEqual(["1 changed, such as a"]);
});

test("where nobody knows whether the last record was committed, the one before it will do", () => {
  const named = source.map((one, n) => ({ ...one, name: `${n}` }));
  const [[, may] = ["", new Map()]] = tablesOf(named, expected, new Set(["3", "4"]));
  expect(differenceOf(may, documents())).toEqual([]);
  const before = documents().set("a", canonicalText(parseExact(json(1))));
  expect(differenceOf(may, before.set("b", canonicalText(parseExact(json(2)))))).toEqual([]);
  before.delete("a");
  expect(differenceOf(may, before)).toEqual(["1 missing, such as a"]);
});
