import { DbusError } from "#src/errors.ts";
import type { Transaction } from "#src/flow/packet.ts";
import type { Flavor } from "../flavor.ts";
import type { BinlogEvent, EventHeader, MariadbGtid, MysqlGtid } from "./event.ts";
import { printGtid } from "./gtid.ts";
import { createGtidTracker } from "./gtid-tracker.ts";
import type { LogCursor, Span } from "./log-cursor.ts";
import { printMariadbGtid } from "./mariadb-gtid.ts";
import { type MysqlPosition, RowPosition, type TransactionStart } from "./position.ts";
import { queryKind } from "./query-kind.ts";

/** A transaction that is being read. */
export type OpenTransaction = {
  readonly start: TransactionStart;
  /** What its rows share. */
  readonly shown: Transaction;
  readonly gtid: MysqlGtid | MariadbGtid | undefined;
  /** The next event that is no part of BEGIN ... COMMIT is all of it: mostly a DDL. */
  standalone: boolean;
  /** Source rows so far, before any filter. */
  rows: number;
  /** How many of the rows to come were settled before the restart. */
  skip: number;
};

/**
 * Knows where transactions begin and end. MySQL announces one by a GTID event, or by BEGIN alone
 * before 5.7; then comes BEGIN ... COMMIT (or XID), or one statement. MariaDB's GTID event says
 * itself which of both it will be, and there is no BEGIN.
 */
export type TransactionTracker = {
  /** Takes an event that is not rows. */
  see(event: BinlogEvent, span: Span): void;
  /** The transaction that the rows of an event belong to. */
  ofRows(header: EventHeader, span: Span): OpenTransaction;
  isOpen(): boolean;
  /** Where to go on when all that was read is settled. */
  position(): RowPosition;
};

export function createTransactionTracker(
  options: {
    readonly flavor: Flavor;
    readonly lineage: string;
    readonly resume: MysqlPosition | null;
  },
  cursor: LogCursor,
): TransactionTracker {
  const { flavor, lineage } = options;
  const gtids = createGtidTracker(flavor, options.resume?.gtid ?? null);
  let resume = (options.resume?.rows ?? 0) > 0 ? options.resume : null;
  let open: OpenTransaction | undefined;
  let begun = false;

  function begin(
    header: EventHeader,
    span: Span,
    gtid: MysqlGtid | MariadbGtid | undefined,
    standalone: boolean,
  ): OpenTransaction {
    begun = true;
    const text = gtid && ("uuid" in gtid ? printGtid(gtid) : printMariadbGtid(gtid));
    const file = cursor.file();
    const start = { lineage, file, pos: span.start, before: gtids.before(), gtid: text };
    const shown = { gtid: text, serverId: header.serverId };
    return { start, shown, gtid, standalone, rows: 0, skip: toSkip(start) };
  }

  /**
   * The rows that were settled before the restart belong to one transaction: the one of that GTID,
   * or without GTIDs the one at the very place. Another one may come first from another server;
   * and if it never comes, nothing is skipped.
   */
  function toSkip(start: TransactionStart): number {
    if (resume === null) return 0;
    const { rows } = resume;
    const same =
      resume.txn !== null
        ? resume.txn === start.gtid
        : resume.file === start.file && resume.pos === start.pos;
    if (same || resume.txn === null) resume = null;
    return same ? rows : 0;
  }

  function end(): void {
    if (open === undefined) return;
    if (open.skip > 0) {
      const message = `the transaction has ${open.rows} rows, ${open.skip} fewer than were read`;
      throw new DbusError("POSITION_LOST", message);
    }
    if (open.gtid !== undefined) gtids.add(open.gtid);
    open = undefined;
  }

  function seeQuery(header: EventHeader, span: Span, sql: string): void {
    const kind = queryKind(sql);
    if (kind === "begin") {
      open ??= begin(header, span, undefined, false);
      open.standalone = false;
    } else if (kind === "commit") end();
    else if (kind === "rollback" || kind === "rollback_to") {
      if ((open?.rows ?? 0) > 0) throw unsupported("rows that were rolled back");
      if (kind === "rollback") end();
    } else if (kind === "xa") throw unsupported("an XA transaction");
    else if (kind === "dml") {
      const message = "rows were changed by a statement that is logged as a statement";
      throw new DbusError("MYSQL_BINLOG_FORMAT", message);
    } else if (open?.standalone !== false) {
      // MySQL 8.0.21 logs CREATE TABLE ... SELECT as a statement with its rows behind it.
      if (/\bSTART TRANSACTION\s*$/.test(sql) && open !== undefined) open.standalone = false;
      else end();
    }
  }

  function see(event: BinlogEvent, span: Span): void {
    switch (event.kind) {
      case "gtid":
        open = begin(event.header, span, event.gtid, true);
        return;
      case "mariadb_gtid":
        if (event.xa) throw unsupported("an XA transaction");
        open = begin(event.header, span, event.gtid, event.standalone);
        return;
      case "query":
        seeQuery(event.header, span, event.sql);
        return;
      case "xid":
        end();
        return;
      case "xa_prepare":
        throw unsupported("an XA transaction");
      case "statement":
        if (event.what !== "LOAD DATA") return;
        throw new DbusError("MYSQL_BINLOG_FORMAT", "LOAD DATA is logged as a statement");
      case "incident":
        throw new DbusError("BINLOG_INCIDENT", `the server logged an incident: ${event.message}`);
      case "previous_gtids":
      case "mariadb_gtid_list":
        gtids.head(event);
        return;
      case "format_description":
        // What a crash of the server left open has never been committed.
        if (event.header.logPos !== 0) open = undefined;
        return;
      default:
    }
  }

  return {
    see,
    ofRows(header, span) {
      open ??= begin(header, span, undefined, false);
      open.standalone = false;
      return open;
    },
    isOpen: () => open !== undefined,
    position() {
      if (open !== undefined) return new RowPosition(open.start, open.rows + open.skip);
      if (resume !== null && !begun) {
        // The head of a stream comes before the transaction: its settled rows are to be skipped
        // also when the connection is lost in between.
        const { txn, rows, ...there } = resume;
        return new RowPosition({ ...there, before: gtids.before(), gtid: txn ?? undefined }, rows);
      }
      const start = { lineage, file: cursor.file(), pos: cursor.pos(), before: gtids.before() };
      return new RowPosition({ ...start, gtid: undefined }, 0);
    },
  };
}

function unsupported(what: string): DbusError {
  return new DbusError("BINLOG_EVENT_UNSUPPORTED", `${what} cannot be read yet`);
}
