import { z } from "zod";
import type { Position } from "../../../flow/position.ts";
import { type GtidsBefore, isAmong } from "./gtid-tracker.ts";

/**
 * Where a MySQL or MariaDB stream goes on. Always the start of a transaction, since only there the
 * server can be asked to begin, and how many source rows of it are settled already.
 */
export type MysqlPosition = {
  /**
   * Whose binlogs `file` and `pos` speak of: a server_uuid, or a name for a set of files. `#2` behind
   * it is a server that has begun its binlogs anew: `sameServer` compares without it.
   */
  readonly lineage: string;
  readonly file: string;
  /** Offset at which the transaction begins, in bytes; not wrapped at 2^32. */
  readonly pos: number;
  /** All GTIDs before the transaction, as the server prints them; null where they are unknown. */
  readonly gtid: string | null;
  /** GTID of the transaction that is half done; null between transactions and without GTIDs. */
  readonly txn: string | null;
  /** Rows of that transaction which are settled, counted before any filter. */
  readonly rows: number;
  /** Offset behind the event of the row, where that has more rows than bytes: it was compressed. */
  readonly end?: number | undefined;
};

/** Checks a position that was stored, or typed by a person: `{file, pos}` or `{gtid}` will do. */
export const mysqlPositionSchema = z.strictObject({
  lineage: z
    .string()
    .default("")
    .describe("server_uuid whose file and pos these are, #2 behind it after a reset; may be empty"),
  file: z.string().default("").describe("binlog file, e.g. binlog.000002; empty to go by gtid"),
  pos: z.int().min(0).default(4).describe("offset in bytes at which the transaction begins"),
  gtid: z.string().nullable().default(null).describe("GTID set that was read before it, or null"),
  txn: z.string().nullable().default(null).describe("GTID of a half read transaction, or null"),
  rows: z.int().min(0).default(0).describe("rows of that transaction to skip"),
  end: z.int().min(0).optional().describe("end of the row's event; only outputs ask for it"),
});

/** The start of a transaction, shared by the positions of all its rows. */
export type TransactionStart = {
  readonly lineage: string;
  readonly file: string;
  readonly pos: number;
  readonly before: GtidsBefore;
  readonly gtid: string | undefined;
};

/** One for each row, and so with few fields only; `JSON.stringify` makes a `MysqlPosition` of it. */
export class RowPosition {
  readonly start: TransactionStart;
  readonly rows: number;
  /** Offset behind the event that has the row, in bytes; what is compressed has one for many. */
  readonly end: number;

  constructor(start: TransactionStart, rows: number, end: number = start.pos) {
    this.start = start;
    this.rows = rows;
    this.end = end;
  }

  toJSON(): MysqlPosition {
    const { lineage, file, pos, before, gtid } = this.start;
    const { rows, end } = this;
    const txn = rows === 0 ? null : (gtid ?? null);
    const position = { lineage, file, pos, gtid: before?.toString() ?? null, txn, rows };
    // Where each row takes a byte at least, nobody needs to know where they end.
    return end > pos && pos + rows > end ? { ...position, end } : position;
  }
}

/** Whether two lineages are of one server, which may have begun its binlogs anew in between. */
export function sameServer(lineage: string, other: string): boolean {
  return withoutReset(lineage) === withoutReset(other);
}

/** The lineage of a server as a position has it, which knows of a reset; else the server's own. */
export function lineageAt(position: MysqlPosition | undefined, server: string): string {
  const known = position?.lineage ?? "";
  return sameServer(known, server) ? known : server;
}

/** The lineage of what a server writes after its binlogs were begun anew. */
export function nextLineage(lineage: string): string {
  return `${withoutReset(lineage)}#${Number(resets.exec(lineage)?.[1] ?? 1) + 1}`;
}

const resets = /#(\d+)$/;

function withoutReset(lineage: string): string {
  return lineage.replace(resets, "");
}

/**
 * By file, transaction and row where the binlogs are the same ones, by GTIDs where they are another
 * server's. The files of a server that has begun them anew do not compare, as it may give GTIDs twice.
 */
export function compareMysqlPositions(a: Position, b: Position): number | undefined {
  const [one, other] = [placeOf(a), placeOf(b)];
  if (one.lineage !== other.lineage) return compareByGtid(one, other);
  if (one.lineage === "") return undefined;
  const [file, otherFile] = [fileParts(one.file), fileParts(other.file)];
  if (!file || !otherFile || file.base !== otherFile.base) return undefined;
  return file.number - otherFile.number || one.pos - other.pos || one.rows - other.rows;
}

/** A replica logs the transactions of its source under the same GTIDs, with the same rows. */
function compareByGtid(one: Place, other: Place): number | undefined {
  if (sameServer(one.lineage, other.lineage) || !one.txn || !other.txn) return undefined;
  if (one.txn === other.txn) return one.rows - other.rows;
  if (isAmong(one.txn, other.before)) return -1;
  return isAmong(other.txn, one.before) ? 1 : undefined;
}

type Place = Pick<MysqlPosition, "lineage" | "file" | "pos" | "rows" | "txn"> & {
  /** As in `gtid`, spelled out when somebody asks. */
  readonly before: GtidsBefore | null;
};

function placeOf(position: Position): Place {
  if (position instanceof RowPosition) {
    const { lineage, file, pos, gtid = null, before } = position.start;
    return { lineage, file, pos, rows: position.rows, txn: gtid, before };
  }
  const stored = position as MysqlPosition;
  return { ...stored, before: stored.gtid };
}

/** `binlog.000012`: all files of a server have one base name, and are counted. */
function fileParts(file: string): { readonly base: string; readonly number: number } | undefined {
  const dot = file.lastIndexOf(".");
  const number = file.slice(dot + 1);
  return /^\d+$/.test(number) ? { base: file.slice(0, dot), number: Number(number) } : undefined;
}
