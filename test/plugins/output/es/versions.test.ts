import { expect, test } from "bun:test";
import {
  createPlaces,
  lineageOf,
  lowOf,
  type Place,
  partitionOf,
  versionOf,
} from "#plugins/output/es/versions.ts";
import { wholeVersion } from "#src/clients/elasticsearch/document-version.ts";
import {
  mysqlPositionSchema,
  RowPosition,
  type TransactionStart,
} from "#src/clients/mysql/binlog/position.ts";
import type { Position } from "#src/flow/position.ts";

const start = (more: Partial<TransactionStart> = {}): TransactionStart => ({
  ...{ lineage: "u1", file: "binlog.000003", pos: 1000, before: undefined, gtid: undefined },
  ...more,
});

function placeOf(position: Position) {
  const payload = { kind: "text", text: "" } as const;
  return createPlaces()({ ident: "in", payload, position, bytes: 1 });
}

const row = (ordinal: number, end: number, more: Partial<TransactionStart> = {}) =>
  placeOf(new RowPosition(start(more), ordinal + 1, end));

const low = (place: Place | undefined) => place && lowOf(place);

test("each row of a transaction has a version of its own, below those of the next one", () => {
  const lows = [0, 1, 2].map((ordinal) => low(row(ordinal, 1200)) ?? 0n);
  expect(lows).toEqual([1000n, 1001n, 1002n].map((offset) => (3n << 36n) | offset));
  expect(low(row(0, 1300, { pos: 1200 }))).toBeGreaterThan(lows[2] ?? 0n);
  expect(low(row(0, 200, { file: "binlog.000004", pos: 157 }))).toBeGreaterThan(1n << 37n);
});

test("rows compressed below a byte each end at the last byte of their event", () => {
  const [last, behind] = [row(199, 1200), row(5_000, 1200)];
  expect([last?.shared, behind?.shared]).toEqual([false, true]);
  expect(low(behind)).toBe((3n << 36n) | 1199n);
  expect(low(row(0, 1400, { pos: 1200 }))).toBeGreaterThan(low(behind) ?? 0n);
});

test("the lineage names the server and the series of its files", () => {
  expect(row(0, 2000)?.lineage).toBe("u1/binlog");
  expect(row(0, 2000, { lineage: "u1#2" })?.lineage).toBe("u1#2/binlog");
  expect(row(0, 2000, { file: "mysql-bin.000001" })?.lineage).toBe("u1/mysql-bin");
  // The millionth file has seven digits; with the 1,048,576th the numbers begin anew.
  expect(low(row(0, 2000, { file: "binlog.1000000" }))).toBe((1_000_000n << 36n) | 1000n);
  const later = row(0, 2000, { file: "binlog.1048577" });
  expect([later?.lineage, low(later)]).toEqual(["u1/binlog/1", (1n << 36n) | 1000n]);
});

test("an offset above 2^32 counts, one of 64 GiB is no place", () => {
  expect(low(row(0, 2 ** 35, { pos: 2 ** 33 }))).toBe((3n << 36n) | (1n << 33n));
  expect(row(0, 2 ** 37, { pos: 2 ** 36 })).toBeUndefined();
});

test("a position out of a buffer on disk or the dead letters says the same", () => {
  for (const rows of [3, 200, 201, 5_000]) {
    const live = new RowPosition(start(), rows, 1200);
    const stored = JSON.parse(JSON.stringify(live)) as Position;
    expect(placeOf(stored)).toEqual(placeOf(live));
    expect(mysqlPositionSchema.safeParse(stored).success).toBe(true);
  }
});

test("a record of a topic has its partition and offset, anything else no version", () => {
  const flags = { shared: false, isRecord: true };
  const place = placeOf({ topicId: "t", partition: 7, offset: "123" });
  expect(place).toEqual({ lineage: "kafka/t", base: 7 * 2 ** 40, offset: 123, ...flags });
  expect(placeOf({ partition: 0, offset: 1 })?.lineage).toBe("kafka/in");
  for (const other of [5, "x", { offset: 3 }, { partition: 70_000, offset: "1" }, {}]) {
    expect(placeOf(other)).toBeUndefined();
  }
  expect(placeOf({ partition: 1, offset: String(2n ** 40n) })).toBeUndefined();
});

test("a version of the last lineage is still one that Elasticsearch takes", () => {
  const version = (lineage: number, base: number, offset: number) =>
    wholeVersion(versionOf(lineage, { lineage: "", base, offset, shared: false, isRecord: false }));
  const highest = [
    version(127, (2 ** 20 - 1) * 2 ** 36, 2 ** 36 - 1),
    version(127, (2 ** 16 - 1) * 2 ** 40, 2 ** 40 - 1),
  ];
  expect(highest).toEqual([2n ** 63n - 1n, 2n ** 63n - 1n]);
  expect(highest.map(lineageOf)).toEqual([127, 127]);
  expect(lineageOf(version(1, 0, 0))).toBe(1);
  expect(partitionOf(version(2, 7 * 2 ** 40, 1))).toBe(7);
});
