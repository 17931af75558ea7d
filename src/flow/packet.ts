import type { Position } from "./position.ts";

/**
 * A value of a row. INT and smaller, FLOAT, DOUBLE and YEAR are `number`; BIGINT and BIT are always
 * `bigint`, whatever their size; DECIMAL, dates and times, text, ENUM and SET are `string`; binary
 * types are `Uint8Array`, and so is GEOMETRY (four bytes of SRID, little-endian, then WKB) and
 * VECTOR (floats of four bytes, little-endian); JSON is `JsonText`. `null` is SQL NULL, `undefined` is a column that the
 * row image does not carry.
 */
export type Value = number | bigint | string | Uint8Array | JsonText | null | undefined;

/** JSON kept as text, so that no digit of it is lost. */
export class JsonText {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

export type ColumnKind =
  | "int"
  | "bigint"
  | "float"
  | "decimal"
  | "text"
  | "binary"
  | "date"
  | "time"
  | "datetime"
  | "timestamp"
  | "year"
  | "enum"
  | "set"
  | "bit"
  | "json"
  | "geometry"
  | "vector";

export type Column = {
  readonly name: string;
  readonly kind: ColumnKind;
  /** The SQL type as the server spells it, e.g. `int unsigned`, `varchar(20)`, `datetime(3)`. */
  readonly type: string;
  readonly nullable: boolean;
};

/** One version of a table. Shared by all rows that were written under it. */
export type Table = {
  readonly db: string;
  readonly name: string;
  readonly columns: readonly Column[];
  /** Indexes into `columns` of the primary key, in key order; empty without one. */
  readonly primaryKey: readonly number[];
};

/** The transaction that rows belong to. Shared by all its rows. */
export type Transaction = {
  /** `uuid:n` (MySQL), `domain-server-seq` (MariaDB), or undefined without GTIDs. */
  readonly gtid: string | undefined;
  readonly serverId: number;
};

/** One row inserted, updated or deleted. `before` is set for U and D, `after` for I and U. */
export type RowChange = {
  readonly kind: "row";
  readonly op: "I" | "U" | "D";
  readonly table: Table;
  readonly before: readonly Value[] | undefined;
  readonly after: readonly Value[] | undefined;
  readonly txn: Transaction;
  /** Rows of the transaction before this one, counted before any filter. */
  readonly ordinal: number;
  /** Binlog file, and the offset of the event in it, in bytes. */
  readonly log: string;
  readonly pos: number;
  /** Unix seconds at which the server logged the event. */
  readonly ts: number;
};

/** Names may come more than once, and their order counts. */
export type Headers = readonly (readonly [name: string, value: string | Uint8Array | null])[];

/** What a record of a log, e.g. of a Kafka topic, carries beside its value. */
export type RecordFrame = {
  readonly key: Uint8Array | null;
  readonly headers: Headers;
  /** Unix milliseconds, where the source has one. */
  readonly timestamp: number | undefined;
  /** The partition of the log that it stood in, and where, if it has such. */
  readonly partition?: number;
  readonly offset?: number;
  /** How many partitions the log has. */
  readonly partitions?: number;
  /** What tells the cluster that keeps the log from all others. */
  readonly cluster?: string;
};

/**
 * Which of several packets it is that a filter has made of one: `0`, `1`, or `1.0` of what was made
 * of 1 in turn. Not set where none has.
 */
export type Part = { readonly part?: string };

/** A record of a log: opaque bytes. */
export type Bytes = RecordFrame &
  Part & {
    readonly kind: "bytes";
    /** null is a tombstone. */
    readonly value: Uint8Array | null;
  };

/** A line of text, without its line end. `record` is set where it was the value of a record. */
export type Text = Part & {
  readonly kind: "text";
  readonly text: string;
  readonly record?: RecordFrame;
};

/** A JSON document, as text that was checked to be valid. `record` as of a text. */
export type Document = Part & {
  readonly kind: "document";
  readonly json: string;
  readonly record?: RecordFrame;
};

export type Payload = RowChange | Bytes | Text | Document;

/** The record of a log that a payload came from, if it did. */
export function recordOf(payload: Payload): RecordFrame | undefined {
  if (payload.kind === "bytes") return payload;
  return payload.kind === "row" ? undefined : payload.record;
}

/** What travels the bus. Immutable: a filter that changes one makes a new one. */
export type Packet = {
  /** What routing matches. */
  readonly ident: string;
  readonly payload: Payload;
  readonly position: Position;
  /** What it is charged against windows and credit, in bytes; at least 1. */
  readonly bytes: number;
};
