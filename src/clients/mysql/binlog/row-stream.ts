import { assert } from "#src/assert.ts";
import { DbusError, toDbusError } from "#src/errors.ts";
import type { Packet, RowChange, Table, Value } from "#src/flow/packet.ts";
import type { Flavor } from "../flavor.ts";
import { corrupt } from "./bytes.ts";
import type { BinlogEvent, OversizedEvent, RowsEvent } from "./event.ts";
import { createLogCursor, type Span } from "./log-cursor.ts";
import { type MysqlPosition, RowPosition } from "./position.ts";
import type { RowCursor } from "./row-codec.ts";
import type { SchemaLookup } from "./schema-lookup.ts";
import type { TableFilter } from "./table-filter.ts";
import {
  countRows,
  createTableReaders,
  type NeededTable,
  type TableReaders,
} from "./table-readers.ts";
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
 *       let packets = stream.push(inner);
 *       for (;;) {
 *         if (packets.length > 0) await context.emitBatch(packets);
 *         if (!stream.unfinished) break;
 *         packets = stream.more();
 *       }
 *     }
 *     if nothing was emitted since: context.idle(stream.position());
 */
export type RowStream = {
  /** The table whose names `schema` must be able to give before `push` of the rows to come. */
  needs(event: BinlogEvent): NeededTable | null;
  /**
   * The first rows of the event, without those that the filter leaves out or `resume` skips; as
   * long as it is `unfinished`, `more` gives the next. An event may hold a million rows, and only
   * a thousand of them, or a MiB and the row that makes it full, are in memory at once. Throws
   * SCHEMA_UNKNOWN, BINLOG_TYPE_UNSUPPORTED, BINLOG_TEXT_INVALID, BINLOG_CORRUPT,
   * BINLOG_EVENT_UNSUPPORTED (XA, rolled back rows), BINLOG_INCIDENT, MYSQL_BINLOG_FORMAT (changes
   * logged as statements), POSITION_LOST (there are fewer rows than `resume` skips), each with
   * file and offset. After a throw the stream is of no use any more.
   */
  push(event: BinlogEvent): Packet[];
  /** Whether the event pushed last has more rows; they come before the next event. */
  readonly unfinished: boolean;
  /** The next rows of it. Throws as `push`. */
  more(): Packet[];
  /**
   * A row that was too large to be read, as a document that says where it is; null for one that is
   * left out. It counts as a row, and is not pushed.
   */
  pointer(event: OversizedEvent): Packet | null;
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
  const { lineage = "" } = resume ?? {};
  const known = lineage === "" || lineage === options.lineage;
  const cursor = createLogCursor(resume?.file ?? "", resume?.pos ?? 4, known);
  const transactions = createTransactionTracker(options, cursor);
  const tables = createTableReaders(options.filter, options.schema);
  let timestamp = 0;
  /** The event that has more rows than were read, and where it lies. */
  let open: { readonly event: RowsEvent; readonly span: Span; rest: RowReading } | undefined;

  function push(event: BinlogEvent): Packet[] {
    assert(open === undefined, "an event was pushed before the rows of the last one were read");
    assert(event.kind !== "transaction_payload", "the events of a payload are pushed one by one");
    assert(event.kind !== "oversized", "what is too large is not pushed");
    const span = cursor.span(event.header);
    let packets: Packet[] = [];
    try {
      if (event.kind === "rows") packets = rowsOf(event, span);
      else transactions.see(event, span);
    } catch (error) {
      throw placed(error, event, cursor.file(), span.start);
    }
    if (open === undefined) pass(event, span);
    return packets;
  }

  function more(): Packet[] {
    if (open === undefined) return [];
    const { event, span, rest } = open;
    let packets: Packet[];
    try {
      packets = readRows(event, rest);
    } catch (error) {
      throw placed(error, event, cursor.file(), span.start);
    }
    if (rest.at < event.end) return packets;
    open = undefined;
    pass(event, span);
    return packets;
  }

  function pointer(event: OversizedEvent): Packet | null {
    assert(open === undefined, "a row came before those of the last event were read");
    const span = cursor.span(event.header);
    const txn = transactions.ofRows(event.header, span);
    const isLeftOut = !tables.of(event.map).included || txn.skip > 0;
    txn.skip = Math.max(0, txn.skip - 1);
    txn.rows++;
    const position = new RowPosition(txn.start, txn.rows, span.end);
    const payload = pointerTo(event, { gtid: txn.shown.gtid, log: cursor.file(), pos: span.start });
    pass(event, span);
    return isLeftOut ? null : { ident: options.eventIdent, payload, position, bytes: packetBytes };
  }

  function pass(event: BinlogEvent, span: Span): void {
    const { header } = event;
    if (header.timestamp > 0) timestamp = header.timestamp;
    // The events of a payload stand at one place: it is left when the last of them has come.
    if (!header.nested || !transactions.isOpen()) cursor.pass(event, span);
  }

  function rowsOf(event: RowsEvent, span: Span): Packet[] {
    const readers = tables.of(event.map);
    const txn = transactions.ofRows(event.header, span);
    if (readers.included) {
      const at = skipSettled(event, readers, txn);
      if (at === event.end) return [];
      const place = {
        ident: options.eventIdent,
        log: cursor.file(),
        pos: span.start,
        end: span.end,
      };
      const rest = { readers, txn, ...place, at };
      const packets = readRows(event, rest);
      if (rest.at < event.end) open = { event, span, rest };
      return packets;
    }
    const count = countRows(event, readers);
    txn.rows += count;
    txn.skip = Math.max(0, txn.skip - count);
    return [];
  }

  return {
    needs: (event) => tables.needs(event),
    push,
    get unfinished() {
      return open !== undefined;
    },
    more,
    pointer,
    position: () => transactions.position(),
    progress: () => ({ file: cursor.file(), pos: cursor.pos(), timestamp }),
    inTransaction: () => transactions.isOpen(),
  };
}

/**
 * What a packet is charged beside the bytes of its row, and for each value of its images: a value
 * of two bytes in the binlog takes fifty as a string.
 */
const packetBytes = 64;
const valueBytes = 32;

/** Rows of one event that are read together at most: so many, or of so many bytes. */
const chunkRows = 1_000;
const chunkBytes = 1 << 20;

/** How far an event is read, and what its packets share. */
type RowReading = {
  readonly readers: TableReaders;
  readonly txn: OpenTransaction;
  readonly ident: string;
  readonly log: string;
  readonly pos: number;
  readonly end: number;
  /** Where its next row begins. */
  at: number;
};

/** Passes over rows that were settled before the restart; answers where the others begin. */
function skipSettled(event: RowsEvent, readers: TableReaders, txn: OpenTransaction): number {
  let p = event.start;
  // With MINIMAL images INSERT INTO t VALUES () logs no byte, so that its rows cannot be counted.
  if (p === event.end) {
    throw new DbusError("BINLOG_EVENT_UNSUPPORTED", "row images without a column cannot be read");
  }
  while (txn.skip > 0 && p < event.end) {
    p = skipRow(event, readers, p);
    txn.rows++;
    txn.skip--;
  }
  return p;
}

function readRows(event: RowsEvent, reading: RowReading): Packet[] {
  const { bytes, op } = event;
  const { readers, txn, ident, log, pos, end } = reading;
  const packets: Packet[] = [];
  const table: Table = readers.table();
  const readBefore = readers.reader(event.presentBefore);
  const readAfter = readers.reader(event.presentAfter);
  const ts = event.header.timestamp;
  const extra = packetBytes + valueBytes * table.columns.length * (op === "U" ? 2 : 1);
  let p = reading.at;
  const full = Math.min(event.end, p + chunkBytes);
  const at: RowCursor = { at: p };
  while (p < full && packets.length < chunkRows) {
    const from = p;
    let before: Value[] | undefined;
    let after: Value[] | undefined;
    if (op !== "I") {
      before = readBefore(bytes, p, event.end, at);
      p = at.at;
    }
    if (op !== "D") {
      after = readAfter(bytes, p, event.end, at);
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
    const position = new RowPosition(txn.start, txn.rows, end);
    packets.push({ ident, payload, position, bytes: p - from + extra });
  }
  reading.at = p;
  return packets;
}

function skipRow(event: RowsEvent, readers: TableReaders, from: number): number {
  const { bytes, end, op } = event;
  const middle = readers.skipper(event.presentBefore)(bytes, from, end);
  const to = op === "U" ? readers.skipper(event.presentAfter)(bytes, middle, end) : middle;
  if (to === from) throw corrupt("a row of no bytes");
  return to;
}

/** Everything that it takes to find the row: what reads it again has to know where it is. */
function pointerTo(
  { op, map, bytes, header }: OversizedEvent,
  place: { readonly gtid: string | undefined; readonly log: string; readonly pos: number },
): Packet["payload"] {
  const { db, table } = map;
  const json = JSON.stringify({
    pointer: { db, table, op, bytes, ...place, ts: header.timestamp },
  });
  return { kind: "document", json };
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
