import { expect, test } from "bun:test";
import type { BinlogEvent } from "#src/clients/mysql/binlog/event.ts";
import type { RowPosition } from "#src/clients/mysql/binlog/position.ts";
import { createRowStream } from "#src/clients/mysql/binlog/row-stream.ts";
import type { TableMap } from "#src/clients/mysql/binlog/table-map.ts";
import { noMetadata } from "#src/clients/mysql/binlog/table-metadata.ts";

/** A table of one LONGBLOB. */
const blobs: TableMap = {
  tableId: 7,
  db: "shop",
  table: "blobs",
  columnCount: 1,
  types: new Uint8Array([252]),
  meta: [4],
  nullable: new Uint8Array([1]),
  metadata: noMetadata,
};

function eventOf(rows: number, bytesEach: number): BinlogEvent {
  const row = Buffer.alloc(5 + bytesEach, 7);
  row[0] = 0;
  row.writeUInt32LE(bytesEach, 1);
  const bytes = Buffer.concat(Array.from({ length: rows }, () => row));
  const header = { timestamp: 1, type: 0, serverId: 5, size: 100, logPos: 104, flags: 0 };
  const images = { presentBefore: null, presentAfter: null, bytes, start: 0, end: bytes.length };
  return { kind: "rows", header: { ...header, nested: false }, op: "I", map: blobs, ...images };
}

test("large rows of one event are read a MiB at a time, and the one that makes it full", () => {
  const rows = createRowStream({
    ...{ flavor: "mysql", lineage: "L", resume: null, eventIdent: "rows" },
    filter: () => true,
    schema: () => ({
      columns: [{ name: "b", type: "longblob", charset: null, nullable: true }],
      primaryKey: [],
    }),
  });
  const chunks = [rows.push(eventOf(9, 300_000))];
  while (rows.unfinished) chunks.push(rows.more());
  expect(chunks.map(({ length }) => length)).toEqual([4, 4, 1]);
  // However much a compressed event holds, it ends where it ends in the log.
  const ends = chunks.flat().map(({ position }) => (position as RowPosition).end);
  expect(ends).toEqual(Array(9).fill(104));
});
