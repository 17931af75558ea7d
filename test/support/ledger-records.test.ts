import { expect, test } from "bun:test";
import { type Item, itemColumns, sumOf } from "./ledger.ts";
import { seenOf } from "./ledger-records.ts";

const item: Item = {
  ...{ id: "1000007", n: "3", writer: "1", seq: "12", amount: "-12.500000" },
  ...{ moment: "2026-01-02 03:04:05.000007", big: "18446744073709551615", bin: "AP8=" },
  ...{ note: "quote ' 東京", doc: '{"b":1.50,"a":[9007199254740993,null]}' },
};
const numbers = new Set(["id", "n", "writer", "seq", "big"]);

function row(values: Item, sum: string): string {
  const texts = itemColumns.map((column) => {
    if (column === "doc" || numbers.has(column)) return values[column];
    return JSON.stringify(values[column]);
  });
  return `[${texts.join(",")},"${sum}"]`;
}

function record(dml: string, ...rows: readonly string[]): Uint8Array {
  const cols = JSON.stringify([...itemColumns, "sum"]);
  const head = `{"log":"binlog.000002","pos":4,"db":"ledger","tbl":"item","dml":"${dml}"`;
  return new TextEncoder().encode(`${head},"ts":1,"cols":${cols},"rows":[${rows.join(",")}]}`);
}

test("an insert, an update and a delete are read as what they did", () => {
  const sum = sumOf(item);
  const old = row({ ...item, n: "2" }, sumOf({ ...item, n: "2" }));
  const seen = { key: "item:1000007", n: 3, sum, intact: true };
  expect(seenOf(record("I", row(item, sum)))).toEqual({ ...seen, op: "I" });
  expect(seenOf(record("U", old, row(item, sum)))).toEqual({ ...seen, op: "U" });
  expect(seenOf(record("D", row(item, sum)))).toEqual({ ...seen, op: "D" });
});

test("the spaces and the key order of a document do not matter, its digits do", () => {
  const sum = sumOf(item);
  const spaced = { ...item, doc: '{ "a": [9007199254740993, null], "b": 1.50 }' };
  expect(seenOf(record("I", row(spaced, sum)))?.intact).toBe(true);
  const rounded = { ...item, doc: '{"b":1.50,"a":[9007199254740992,null]}' };
  expect(seenOf(record("I", row(rounded, sum)))?.intact).toBe(false);
});

test("a wrong digit in any column of any image is noticed", () => {
  const sum = sumOf(item);
  for (const column of itemColumns) {
    if (column === "doc") continue;
    const other = numbers.has(column) ? `${item[column]}1` : `${item[column]}x`;
    const wrong = row({ ...item, [column]: other }, sum);
    expect([column, seenOf(record("I", wrong))?.intact]).toEqual([column, false]);
    expect([column, seenOf(record("U", wrong, row(item, sum)))?.intact]).toEqual([column, false]);
  }
});

test("a tombstone says nothing, and another table is refused", () => {
  expect(seenOf(null)).toBeNull();
  const other = new TextEncoder().encode('{"tbl":"log","dml":"I","cols":["a"],"rows":[[1]]}');
  expect(() => seenOf(other)).toThrow("a table log");
});
