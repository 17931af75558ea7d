import { expect, test } from "bun:test";
import { type Item, itemColumns, sumOf } from "./ledger.ts";
import { sightingsOf } from "./ledger-records.ts";

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

const dt = 1_764_072_000_123_000_000n;
const writtenAt = 1_764_072_000_123;

function record(dml: string, ...rows: readonly string[]): Uint8Array {
  const cols = JSON.stringify([...itemColumns, "sum"]);
  const head = `{"log":"binlog.000002","pos":4,"db":"ledger","tbl":"item","dml":"${dml}"`;
  const tail = `"ts":1,"dt":${dt},"cols":${cols},"rows":[${rows.join(",")}]}`;
  return new TextEncoder().encode(`${head},${tail}`);
}

const isIntact = (value: Uint8Array) => sightingsOf(value).map(({ intact }) => intact);

test("an insert, an update and a delete are read as what they did", () => {
  const sum = sumOf(item);
  const old = row({ ...item, n: "2" }, sumOf({ ...item, n: "2" }));
  const seen = { key: "item:1000007", n: 3, sum, intact: true, writtenAt };
  expect(sightingsOf(record("I", row(item, sum)))).toEqual([{ ...seen, op: "I" }]);
  expect(sightingsOf(record("U", old, row(item, sum)))).toEqual([{ ...seen, op: "U" }]);
  expect(sightingsOf(record("D", row(item, sum)))).toEqual([{ ...seen, op: "D" }]);
});

test("an update that came with two keys is the delete of one and the insert of the other", () => {
  const sum = sumOf(item);
  const old = { ...item, id: "1000003", n: "9" };
  const both = { intact: true, writtenAt };
  expect(sightingsOf(record("U", row(old, sumOf(old)), row(item, sum)))).toEqual([
    { key: "item:1000003", op: "D", n: 9, sum: sumOf(old), ...both },
    { key: "item:1000007", op: "I", n: 3, sum, ...both },
  ]);
});

test("the debezium envelope says the same", () => {
  const sum = sumOf(item);
  const micros = `${Date.UTC(2026, 0, 2, 3, 4, 5) / 1000}000007`;
  const image = (values: Item, seal: string) => {
    const texts = itemColumns.map((column) => {
      const text = column === "moment" ? micros : values[column];
      const bare = numbers.has(column) || column === "moment";
      return `"${column}":${bare ? text : JSON.stringify(text)}`;
    });
    return `{${texts.join(",")},"sum":"${seal}"}`;
  };
  const envelope = (op: string, before: string, after: string) =>
    new TextEncoder().encode(
      `{"before":${before},"after":${after},"source":{"table":"item","ts_ms":1},` +
        `"op":"${op}","ts_ms":${writtenAt}}`,
    );
  const seen = { key: "item:1000007", n: 3, sum, intact: true, writtenAt };
  expect(sightingsOf(envelope("c", "null", image(item, sum)))).toEqual([{ ...seen, op: "I" }]);
  expect(sightingsOf(envelope("d", image(item, sum), "null"))).toEqual([{ ...seen, op: "D" }]);
  const old = { ...item, n: "2" };
  const update = envelope("u", image(old, sumOf(old)), image(item, sum));
  expect(sightingsOf(update)).toEqual([{ ...seen, op: "U" }]);
  const wrong = envelope("u", image({ ...old, note: "other" }, sumOf(old)), image(item, sum));
  expect(isIntact(wrong)).toEqual([false]);
});

test("the spaces and the key order of a document do not matter, its digits do", () => {
  const sum = sumOf(item);
  const spaced = { ...item, doc: '{ "a": [9007199254740993, null], "b": 1.50 }' };
  expect(isIntact(record("I", row(spaced, sum)))).toEqual([true]);
  const rounded = { ...item, doc: '{"b":1.50,"a":[9007199254740992,null]}' };
  expect(isIntact(record("I", row(rounded, sum)))).toEqual([false]);
});

test("a wrong digit in any column of any image is noticed", () => {
  const sum = sumOf(item);
  for (const column of itemColumns) {
    if (column === "doc") continue;
    const other = numbers.has(column) ? `${item[column]}1` : `${item[column]}x`;
    const wrong = row({ ...item, [column]: other }, sum);
    expect([column, isIntact(record("I", wrong))]).toEqual([column, [false]]);
    const update = isIntact(record("U", wrong, row(item, sum)));
    expect([column, update.every((intact) => !intact)]).toEqual([column, true]);
  }
});

test("a tombstone says nothing, and another table is refused", () => {
  expect(sightingsOf(null)).toEqual([]);
  const other = new TextEncoder().encode('{"tbl":"log","dml":"I","cols":["a"],"rows":[[1]]}');
  expect(() => sightingsOf(other)).toThrow("a table log");
});
