import { expect, test } from "bun:test";
import { compareKafkaPositions } from "#plugins/input/kafka/kafka-input-config.ts";
import { compareMysqlPositions, RowPosition } from "#src/clients/mysql/binlog/position.ts";

const at = (file: string, pos: number, rows: number, lineage = "a") =>
  new RowPosition({ lineage, file, pos, before: null, gtid: undefined } as never, rows);
const stored = (position: RowPosition) => JSON.parse(JSON.stringify(position));

test("rows compare by file, transaction and row, as they are and as they were stored", () => {
  const inOrder = [
    at("binlog.000009", 900, 1),
    at("binlog.000009", 900, 2),
    at("binlog.000009", 1_000, 1),
    at("binlog.000010", 4, 1),
    at("binlog.1000000", 4, 1),
  ];
  for (const [i, one] of inOrder.entries()) {
    for (const [j, other] of inOrder.entries()) {
      const expected = Math.sign(i - j);
      expect(Math.sign(compareMysqlPositions(one, other) ?? Number.NaN)).toBe(expected);
      expect(Math.sign(compareMysqlPositions(one, stored(other)) ?? Number.NaN)).toBe(expected);
    }
  }
});

test("nobody can compare another server's binlogs, those begun anew, or names that are not counted", () => {
  const one = at("binlog.000009", 900, 1);
  expect(compareMysqlPositions(one, at("binlog.000009", 900, 1, "b"))).toBeUndefined();
  expect(compareMysqlPositions(one, at("binlog.000009", 900, 1, "a#2"))).toBeUndefined();
  expect(compareMysqlPositions(one, at("other.000009", 900, 1))).toBeUndefined();
  expect(compareMysqlPositions(one, at("", 900, 1))).toBeUndefined();
});

test("records compare by offset, but not with those of a topic that was made anew", () => {
  const record = (offset: number, topicId?: string) =>
    topicId === undefined ? { offset } : { offset, topicId };
  expect(compareKafkaPositions(record(4, "x"), record(5, "x"))).toBeLessThan(0);
  expect(compareKafkaPositions(record(5), record(5))).toBe(0);
  expect(compareKafkaPositions(record(4, "y"), record(5, "x"))).toBeUndefined();
});
