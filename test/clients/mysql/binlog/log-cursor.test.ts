import { expect, test } from "bun:test";
import type { BinlogEvent, EventHeader } from "#src/clients/mysql/binlog/event.ts";
import { eventType } from "#src/clients/mysql/binlog/event-type.ts";
import { createLogCursor, type LogCursor } from "#src/clients/mysql/binlog/log-cursor.ts";

function headerOf(type: number, size: number, logPos: number): EventHeader {
  return { timestamp: 1, type, serverId: 1, size, logPos, flags: 0, nested: false };
}

function pass(cursor: LogCursor, event: BinlogEvent) {
  const span = cursor.span(event.header);
  cursor.pass(event, span);
  return span;
}

/** What a stream by GTID begins with, wherever in the file it goes on. */
function headOf(file: string): readonly BinlogEvent[] {
  const rotate = headerOf(eventType.rotate, 50, 0);
  const format = headerOf(eventType.formatDescription, 120, 124);
  const gtids = headerOf(eventType.previousGtids, 70, 194);
  return [
    { kind: "rotate", header: rotate, file, pos: 4n, fake: true },
    { kind: "format_description", header: format, serverVersion: "9.7.0", checksum: "crc32" },
    { kind: "previous_gtids", header: gtids, set: "" },
  ];
}

const xidAt = (logPos: number): BinlogEvent => ({
  ...{ kind: "xid", xid: 1n },
  header: headerOf(eventType.xid, 31, logPos % 2 ** 32),
});

for (const at of [7_000, 6_000_000_000]) {
  test(`the head of a file is no step back from ${at}, where a stream by GTID goes on`, () => {
    const cursor = createLogCursor("b.000001", at);
    for (const event of headOf("b.000001")) {
      pass(cursor, event);
      expect([cursor.file(), cursor.pos()]).toEqual(["b.000001", at]);
    }
    // What is known is passed over, so that the next event lies somewhere behind.
    expect(pass(cursor, xidAt(at + 5_031))).toEqual({ start: at + 5_000, end: at + 5_031 });
    expect(cursor.pos()).toBe(at + 5_031);
  });
}

for (const at of [7_000, 6_000_000_000]) {
  test(`what is sent from before ${at}, since the set knew less than the place, lies where it is`, () => {
    const cursor = createLogCursor("b.000001", at);
    for (const event of headOf("b.000001")) pass(cursor, event);
    // It tells where the server is among what it passes over, and is no transaction from there.
    const file = "b.000001";
    pass(cursor, { kind: "heartbeat", header: headerOf(27, 40, 1_000), file, pos: 1_000n });
    expect(cursor.pos()).toBe(at);
    expect(pass(cursor, xidAt(at - 202))).toEqual({ start: at - 233, end: at - 202 });
    expect(cursor.pos()).toBe(at - 202);
    expect(pass(cursor, xidAt(at - 171)).end).toBe(at - 171);
    expect(pass(cursor, xidAt(at + 31)).end).toBe(at + 31);
  });
}

test("a step back is not believed where the stream has been already", () => {
  const cursor = createLogCursor("b.000001", 7_000);
  for (const event of headOf("b.000001")) pass(cursor, event);
  pass(cursor, xidAt(7_100));
  expect(pass(cursor, xidAt(7_050))).toEqual({ start: 7_100, end: 7_131 });
});

test("in another file, and on another server, it is where the stream is", () => {
  const elsewhere = createLogCursor("b.000001", 7_000);
  for (const event of headOf("b.000002")) pass(elsewhere, event);
  expect([elsewhere.file(), elsewhere.pos()]).toEqual(["b.000002", 194]);
  const other = createLogCursor("b.000001", 7_000, false);
  for (const event of headOf("b.000001")) pass(other, event);
  expect(other.pos()).toBe(194);
});
