import { DbusError, toDbusError } from "#src/errors.ts";
import type { Packet, RowChange, Table, Value } from "#src/flow/packet.ts";
import { corrupt } from "./bytes.ts";
import type { BinlogEvent, Flavor, RowsEvent } from "./event.ts";
import { createLogCursor, type Span } from "./log-cursor.ts";
import { type MysqlPosition, RowPosition } from "./position.ts";
import type { RowCursor } from "./row-codec.ts";
import type { SchemaLookup } from "./schema-lookup.ts";
import type { TableFilter } from "./table-filter.ts";
import { countRows, createTableReaders, type TableReaders } from "./table-readers.ts";
import { createTransactionTracker, type OpenTransaction } from "./transaction-tracker.ts";

export type RowStreamOptions = {
  readonly flavor: Flavor;
  /** Goes into every position: the server_uuid, or a name for a set of files. */
  readonly lineage: string;
  /** Where reading began; null at the head of a file. */
  readonly resume: MysqlPosition | null;
  readonly filter: TableFilter;
  readonly schema: SchemaLookup;
  /** The ident of every packet. */
  readonly eventIdent: string;
};

/**
 * Turns events into packets, one a row. For each event, in order, the caller:
 *
 *     for (const inner of eventsOf(event)) {
 *       const table = stream.needs(inner);
 *       if (table) await fetch it, so that `schema` answers;
 *       const packets = stream.push(inner);
 *       if (packets.length > 0) await context.emitBatch(packets);
 *     }
 *     if nothing was emitted since: context.idle(stream.position());
 */
export type RowStream = {
  /** The table whose names `schema` must be able to give before `push` of the rows to come. */
  needs(event: BinlogEvent): { readonly db: string; readonly table: string } | null;
  /**
   * The rows of the event, without those that the filter leaves out or `resume` skips. Throws
   * SCHEMA_UNKNOWN, BINLOG_TYPE_UNSUPPORTED, BINLOG_TEXT_INVALID, BINLOG_CORRUPT,
   * BINLOG_EVENT_UNSUPPORTED (XA, rolled back rows), BINLOG_INCIDENT, MYSQL_BINLOG_FORMAT (changes
   * logged as statements), POSITION_LOST (there are fewer rows than `resume` skips), each with
   * file and offset. After a throw the stream is of no use any more.
   */
  push(event: BinlogEvent): Packet[];
  /**
   * Where reading goes on once everything pushed so far is settled; rows that were left out are
   * behind it too. `JSON.stringify` of it is a `MysqlPosition`.
   */
  position(): RowPosition;
  /** The file and the offset just read up to, and the time of the last event in Unix seconds. */
  progress(): { readonly file: string; readonly pos: number; readonly timestamp: number };
  /** Whether the last event left a transaction open. */
  inTransaction(): boolean;
};

export function createRowStream(options: RowStreamOptions): RowStream {
  const { resume } = options;
  const cursor = createLogCursor(resume?.file ?? "", resume?.pos ?? 4);
  const transactions = createTransactionTracker(options, cursor);
  const tables = createTableReaders(options.filter, options.schema);
  let timestamp = 0;

  function push(event: BinlogEvent): Packet[] {
    if (event.kind === "transaction_payload") {
      const packets: Packet[] = [];
      for (const inner of event.events) packets.push(...push(inner));
      return packets;
    }
    const { header } = event;
    const span = cursor.span(header);
    let packets: Packet[] = [];
    try {
      if (event.kind === "rows") packets = rowsOf(event, span);
      else transactions.see(event, span);
    } catch (error) {
      throw placed(error, event, cursor.file(), span.start);
    }
    if (header.timestamp > 0) timestamp = header.timestamp;
    // The events of a payload stand at one place: it is left when the last of them has come.
    if (!header.nested || !transactions.isOpen()) cursor.pass(event, span);
    return packets;
  }

  function rowsOf(event: RowsEvent, span: Span): Packet[] {
    const readers = tables.of(event.map);
    const txn = transactions.ofRows(event.header, span);
    if (readers.included) {
      return readRows(event, readers, txn, [options.eventIdent, cursor.file(), span.start]);
    }
    const count = countRows(event, readers);
    txn.rows += count;
    txn.skip = Math.max(0, txn.skip - count);
    return [];
  }

  return {
    needs: (event) => tables.needs(event),
    push,
    position: () => transactions.position(),
    progress: () => ({ file: cursor.file(), pos: cursor.pos(), timestamp }),
    inTransaction: () => transactions.isOpen(),
  };
}

/** What a packet costs beside the bytes of its row: its objects, the shortest of rows included. */
const packetBytes = 64;

function readRows(
  event: RowsEvent,
  readers: TableReaders,
  txn: OpenTransaction,
  [ident, log, pos]: readonly [ident: string, log: string, pos: number],
): Packet[] {
  const { bytes, end, op } = event;
  let p = event.start;
  // With MINIMAL images INSERT INTO t VALUES () logs no byte, so that its rows cannot be counted.
  if (p === end) {
    throw new DbusError("BINLOG_EVENT_UNSUPPORTED", "row images without a column cannot be read");
  }
  while (txn.skip > 0 && p < end) {
    p = skipRow(event, readers, p);
    txn.rows++;
    txn.skip--;
  }
  const packets: Packet[] = [];
  if (p === end) return packets;
  const table: Table = readers.table();
  const readBefore = readers.reader(event.presentBefore);
  const readAfter = readers.reader(event.presentAfter);
  const ts = event.header.timestamp;
  const at: RowCursor = { at: p };
  while (p < end) {
    const from = p;
    let before: Value[] | undefined;
    let after: Value[] | undefined;
    if (op !== "I") {
      before = readBefore(bytes, p, end, at);
      p = at.at;
    }
    if (op !== "D") {
      after = readAfter(bytes, p, end, at);
      p = at.at;
    }
    if (p === from) throw corrupt("a row of no bytes");
    const payload: RowChange = {
      kind: "row",
      op,
      table,
      before,
      after,
      txn: txn.shown,
      ordinal: txn.rows++,
      log,
      pos,
      ts,
    };
    const position = new RowPosition(txn.start, txn.rows);
    packets.push({ ident, payload, position, bytes: p - from + packetBytes });
  }
  return packets;
}

function skipRow(event: RowsEvent, readers: TableReaders, from: number): number {
  const { bytes, end, op } = event;
  const middle = readers.skipper(event.presentBefore)(bytes, from, end);
  const to = op === "U" ? readers.skipper(event.presentAfter)(bytes, middle, end) : middle;
  if (to === from) throw corrupt("a row of no bytes");
  return to;
}

/** Says where it happened: an error of the layers below knows neither file nor table. */
function placed(thrown: unknown, event: BinlogEvent, file: string, pos: number): DbusError {
  const error = toDbusError(thrown);
  const table = event.kind === "rows" ? `${event.map.db}.${event.map.table}` : undefined;
  const subject = table === undefined || error.message.startsWith(table) ? "" : `${table}: `;
  return new DbusError(error.code, `${subject}${error.message} (at ${file}:${pos})`, {
    cause: error,
    remedy: error.remedy,
    place: { file, path: `${pos}` },
  });
}
