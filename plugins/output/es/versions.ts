import type { Packet } from "#plugin";
import type { DocumentVersion } from "#src/clients/elasticsearch/document-version.ts";
import { RowPosition, type TransactionStart } from "#src/clients/mysql/binlog/position.ts";

/**
 * The external version of a document, 63 bits, most significant first:
 *
 *     lineage(7) . file(20) . offset(36)           a row of a binlog
 *     lineage(7) . partition(16) . offset(40)      a record of a Kafka topic
 *
 * The lineage says whose files or offsets these are; which number it has is in `lineages.ts`. The
 * offset of a row is that of its transaction and the rows before it there: each row takes a byte of
 * the log at least, so that no two of them have one version and no transaction reaches the next.
 * Rows that were compressed below a byte each end at the last byte of their event and share it.
 */
export type Place = {
  /** Names the server and the series of its files, or the topic; never has a secret. */
  readonly lineage: string;
  /** Of the lower 56 bits those above the offset, and the offset: numbers that are exact. */
  readonly base: number;
  readonly offset: number;
  /** Others of the same document may have the same version: then the later one counts. */
  readonly shared: boolean;
  /** Whether it has a partition: places of two partitions have no order. */
  readonly isRecord: boolean;
};

/** Numbers of lineages: 0 is none. */
export const lineagesMax = 127;

const lowBits = 56n;
const lineageUnit = 2 ** 56;
const fileUnit = 2 ** 36;
const filesMax = 2 ** 20;
const recordBits = 40n;
const partitionUnit = 2 ** 40;
const partitionsMax = 2 ** 16;

/** Stays in two numbers: whole it would be a bigint, and several for each row on the way to it. */
export function versionOf(lineage: number, { base, offset }: Place): DocumentVersion {
  return { upper: lineage * lineageUnit + base, lower: offset };
}

/** What of a version is not the lineage, whole. */
export function lowOf({ base, offset }: Place): bigint {
  return BigInt(base) + BigInt(offset);
}

export function lineageOf(version: bigint): number {
  return Number(version >> lowBits);
}

/** The partition that a version of a record says it came from. */
export function partitionOf(version: bigint): number {
  return Number((version >> recordBits) & BigInt(partitionsMax - 1));
}

type File = { readonly lineage: string; readonly base: number };

/** Gives each packet its place; undefined where its position has no order that holds. */
export type Places = (packet: Packet) => Place | undefined;

export function createPlaces(): Places {
  // The rows of a transaction come together.
  let start: TransactionStart | undefined;
  let file: File | undefined;

  function ofRow(at: TransactionStart, ordinal: number, end: number): Place | undefined {
    if (at !== start) {
      const isSame = at.file === start?.file && at.lineage === start.lineage;
      if (!isSame) file = fileOf(at);
      start = at;
    }
    if (file === undefined || ordinal < 0) return undefined;
    const own = at.pos + ordinal;
    const last = end - 1;
    const shared = own > last;
    const offset = shared ? last : own;
    if (!Number.isInteger(offset) || offset >= fileUnit) return undefined;
    return { lineage: file.lineage, base: file.base, offset, shared, isRecord: false };
  }

  return ({ position, ident }) => {
    if (position instanceof RowPosition)
      return ofRow(position.start, position.rows - 1, position.end);
    if (typeof position !== "object") return undefined;
    const row = storedRow(position);
    if (row !== undefined) return ofRow(row.start, row.rows - 1, row.end);
    return ofRecord(position, ident);
  };
}

/** `binlog.000012` as the twelfth of the series `binlog`; a million files later it is another. */
function fileOf({ lineage, file }: TransactionStart): File | undefined {
  const found = /^(.*)\.(\d{1,10})$/.exec(file);
  if (found === null) return undefined;
  const number = Number(found[2]);
  const series = Math.floor(number / filesMax);
  const of = `${lineage}/${found[1]}${series === 0 ? "" : `/${series}`}`;
  return { lineage: of, base: (number % filesMax) * fileUnit };
}

type StoredRow = {
  readonly start: TransactionStart;
  readonly rows: number;
  readonly end: number;
};

function storedRow(position: object): StoredRow | undefined {
  const { lineage, file, pos, rows, end } = position as Readonly<Record<string, unknown>>;
  if (typeof lineage !== "string" || typeof file !== "string") return undefined;
  if (typeof pos !== "number" || typeof rows !== "number") return undefined;
  const start = { lineage, file, pos, before: undefined, gtid: undefined };
  return { start, rows, end: typeof end === "number" ? end : Number.POSITIVE_INFINITY };
}

/** The offset of a record in its partition, as the position of an input gives it. */
function ofRecord(position: object, ident: string): Place | undefined {
  const { topicId, partition, offset } = position as Readonly<Record<string, unknown>>;
  const at = Number(partition);
  if (!Number.isSafeInteger(at) || at < 0 || at >= partitionsMax) return undefined;
  if (typeof offset !== "string" && typeof offset !== "number" && typeof offset !== "bigint") {
    return undefined;
  }
  if (!/^\d{1,13}$/.test(String(offset)) || Number(offset) >= partitionUnit) return undefined;
  return {
    // A topic that was made anew under its name has another id, and begins its offsets anew.
    lineage: `kafka/${String(topicId ?? ident)}`,
    base: at * partitionUnit,
    offset: Number(offset),
    shared: false,
    isRecord: true,
  };
}
