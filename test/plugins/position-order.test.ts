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

const server = {
  a: "3e11fa47-71ca-11e1-9e33-c80aa9429562",
  b: "5c8e1b2d-0000-11e1-9e33-c80aa9429562",
};
type Of = { readonly lineage: string; readonly before: string; readonly gtid: string };
const across = ({ lineage, before, gtid }: Of, rows: number) =>
  new RowPosition({ lineage, file: "binlog.000001", pos: 4, before, gtid }, rows);

test("rows of a server and of its replica compare by GTID, as they are and as they were stored", () => {
  const { a, b } = server;
  const mysql = [
    { gtid: `${a}:7`, before: `${a}:1-6` },
    { gtid: `${a}:8`, before: `${a}:1-7` },
    { gtid: `${b}:1`, before: `${a}:1-8` },
    { gtid: `${b}:tag:1`, before: `${a}:1-8,${b}:1` },
    { gtid: `${a}:9`, before: `${a}:1-8,${b}:1:tag:1` },
  ];
  const mariadb = [
    { gtid: "0-1-7", before: "0-1-6" },
    { gtid: "0-1-8", before: "0-1-7" },
    { gtid: "1-1-3", before: "0-1-8,1-1-2" },
    { gtid: "0-1-9", before: "0-1-8,1-1-3" },
  ];
  for (const inOrder of [mysql, mariadb]) {
    const rowsOf = (lineage: string) =>
      inOrder.flatMap((one) => [1, 2].map((rows) => across({ lineage, ...one }, rows)));
    for (const [i, one] of rowsOf("a").entries()) {
      for (const [j, other] of rowsOf("b").entries()) {
        const expected = Math.sign(i - j);
        expect(Math.sign(compareMysqlPositions(one, other) ?? Number.NaN)).toBe(expected);
        expect(Math.sign(compareMysqlPositions(one, stored(other)) ?? Number.NaN)).toBe(expected);
      }
    }
  }
});

test("what a replica counts on from fewer, or a server begins anew, is not taken for what was read", () => {
  const mark = across({ lineage: "a", gtid: "0-1-100", before: "0-1-99" }, 1);
  const promoted = across({ lineage: "b", gtid: "0-2-96", before: "0-1-95" }, 1);
  expect(compareMysqlPositions(promoted, mark)).toBeUndefined();
  const { a } = server;
  const old = across({ lineage: "a", gtid: `${a}:9`, before: `${a}:1-8` }, 1);
  const anew = across({ lineage: "a#2", gtid: `${a}:1`, before: "" }, 1);
  expect(compareMysqlPositions(anew, old)).toBeUndefined();
  const unlike = across({ lineage: "b", gtid: "0-1-3", before: "" }, 1);
  expect(compareMysqlPositions(unlike, old)).toBeUndefined();
});

test("records compare by offset, but not with those of a topic that was made anew", () => {
  const record = (offset: number, topicId?: string) =>
    topicId === undefined ? { offset } : { offset, topicId };
  expect(compareKafkaPositions(record(4, "x"), record(5, "x"))).toBeLessThan(0);
  expect(compareKafkaPositions(record(5), record(5))).toBe(0);
  expect(compareKafkaPositions(record(4, "y"), record(5, "x"))).toBeUndefined();
});
