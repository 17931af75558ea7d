import { expect, test } from "bun:test";
import { createFetchSize } from "#src/clients/kafka/consumer/fetch-size.ts";
import { DbusError } from "#src/errors.ts";
import { recordedLog } from "../../support/recorded-log.ts";

const lost = new DbusError("KAFKA_REQUEST_FAILED", "broker b: no answer");

function sizeOf(fetchBytesMax: number) {
  const { log, entries } = recordedLog();
  const fetchWaitMs = 60_000;
  const size = createFetchSize(1, { fetchBytesMax, fetchWaitMs, requestTimeoutMs: 30_000, log });
  return { size, entries };
}

test("less and less is asked for after answers that do not come, down to one batch, and then it is said what to change", () => {
  const { size, entries } = sizeOf(64 << 10);
  // A broker that is gone is not waited for as long as one whose link is slow.
  expect([size.bytes, size.answerMs]).toEqual([64 << 10, 10_000]);
  const asked: number[] = [];
  for (let i = 0; i < 4; i++) {
    expect(size.failed(lost, 60_000 + size.answerMs)).toBe(lost);
    asked.push(size.bytes);
    if (size.bytes === 1024) break;
  }
  expect(asked).toEqual([16 << 10, 4 << 10, 1 << 10]);
  expect(size.answerMs).toBe(30_000);
  const told = size.failed(lost, 90_000);
  expect([told.code, told.message]).toEqual([
    "KAFKA_REQUEST_FAILED",
    "broker b: no answer; no more than one batch was asked for: raise requestTimeoutMs",
  ]);
  expect(size.bytes).toBe(1024);
  expect(entries.map(({ level }) => level)).toEqual(["warn"]);
});

test("more is asked for again once full answers come fast, and neither small nor slow ones count", () => {
  const { size, entries } = sizeOf(64 << 10);
  size.failed(lost, 70_000);
  size.answered(1_000, 5);
  size.answered(size.bytes, 8_000);
  expect(size.bytes).toBe(16 << 10);
  size.answered(size.bytes, 7_000);
  expect(size.bytes).toBe(32 << 10);
  size.answered(1 << 20, 100);
  size.answered(1 << 20, 100);
  expect([size.bytes, size.answerMs]).toEqual([64 << 10, 10_000]);
  expect(entries.map(({ level }) => level)).toEqual(["warn", "info"]);
});

test("a connection that ends, and a broker that refuses, say nothing of the size", () => {
  const { size } = sizeOf(64 << 10);
  size.failed(lost, 500);
  // The broker was still waiting for records.
  size.failed(lost, 59_000);
  size.failed(new DbusError("KAFKA_UNREACHABLE", "broker b: not there"), 20_000);
  expect(size.bytes).toBe(64 << 10);
});
