import { describe, expect, test } from "bun:test";
import { DbusError, type ErrorCode } from "#plugin";
import { bytesBehind } from "#plugins/input/mysqlbinlog/lag.ts";
import { createRetries, givenUp } from "#plugins/input/mysqlbinlog/retry.ts";

const error = (code: ErrorCode) => new DbusError(code, "m");

describe("retries", () => {
  test("double from 200 ms to 30 s, with jitter, and begin anew after ten quiet seconds", () => {
    const retries = createRetries(() => 1);
    const next = () => retries.next(error("MYSQL_UNREACHABLE"), "p")?.afterMs;
    expect([next(), next(), next(), next()]).toEqual([200, 400, 800, 1_600]);
    for (let n = 0; n < 10; n++) next();
    expect(next()).toBe(30_000);
    retries.ran(9_999);
    expect(next()).toBe(30_000);
    retries.ran(10_000);
    expect(next()).toBe(200);
    const low = createRetries(() => 0);
    expect(low.next(error("MYSQL_UNREACHABLE"), "p")?.afterMs).toBe(100);
  });

  test("a refused login ends the first attempt, and is waited for slowly later on", () => {
    const retries = createRetries(() => 1);
    expect(retries.next(error("MYSQL_ACCESS_DENIED"), "p")).toBeUndefined();
    retries.ran(1);
    const next = () => retries.next(error("MYSQL_ACCESS_DENIED"), "p")?.afterMs;
    expect(next()).toBe(30_000);
    for (let n = 0; n < 10; n++) next();
    expect(next()).toBe(600_000);
  });

  test("a server that was away for long makes no login wait for long", () => {
    const retries = createRetries(() => 1);
    retries.ran(1);
    const next = (code: ErrorCode) => retries.next(error(code), "p")?.afterMs;
    for (let n = 0; n < 10; n++) next("MYSQL_UNREACHABLE");
    expect([next("MYSQL_ACCESS_DENIED"), next("MYSQL_GRANT")]).toEqual([30_000, 60_000]);
    expect(next("MYSQL_UNREACHABLE")).toBe(200);
  });

  test("two readers with one id do not chase each other", () => {
    const retries = createRetries(() => 0);
    expect(retries.next(error("MYSQL_SERVER_ID_CLASH"), "p")?.afterMs).toBe(2_500);
  });

  test("a broken event is looked at once more, at each place", () => {
    const retries = createRetries();
    const next = (place: string) => retries.next(error("BINLOG_CHECKSUM"), place) !== undefined;
    expect([next("a"), next("a"), next("b"), next("b")]).toEqual([true, false, true, false]);
  });

  test("what is broken twice in one place ends the input for good", () => {
    const broken = new DbusError("BINLOG_CHECKSUM", "the CRC32 is wrong", {
      place: { file: "b.1", path: "4" },
    });
    const ending = givenUp(broken);
    expect([ending.code, ending.kind, ending.place]).toEqual([
      "BINLOG_CORRUPT",
      "fatal",
      broken.place,
    ]);
    expect(ending.message).toContain("the CRC32 is wrong");
    for (const code of ["BINLOG_CORRUPT", "MYSQL_EVENT_TOO_LARGE", "POSITION_LOST"] as const) {
      expect(givenUp(error(code)).kind).toBe("fatal");
    }
  });

  test("what needs a person is not tried again, even after we have read", () => {
    const retries = createRetries();
    retries.ran(60_000);
    for (const code of ["POSITION_LOST", "SCHEMA_UNKNOWN", "MYSQL_BINLOG_OFF"] as const) {
      expect(retries.next(error(code), "p")).toBeUndefined();
    }
  });
});

test("bytes behind are those of the files up to the newest", () => {
  const files = [
    { name: "b.000009", bytes: 1_000 },
    { name: "b.000010", bytes: 500 },
    { name: "b.000011", bytes: 70 },
  ];
  expect(bytesBehind(files, { file: "b.000010", pos: 100 })).toBe(470);
  expect(bytesBehind(files, { file: "b.000011", pos: 70 })).toBe(0);
  expect(bytesBehind(files, { file: "b.000011", pos: 90 })).toBe(0);
  expect(bytesBehind(files, { file: "b.000001", pos: 4 })).toBeUndefined();
});
