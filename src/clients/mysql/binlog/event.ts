import type { TableMap } from "./table-map.ts";

/** The 19 bytes that every event begins with. Unsigned integers as on the wire. */
export type EventHeader = {
  /** Unix seconds at which the server logged the event; 0 in artificial events. */
  readonly timestamp: number;
  readonly type: number;
  readonly serverId: number;
  /** Bytes of the whole event, header and checksum included. */
  readonly size: number;
  /** Offset of the next event modulo 2^32; 0 in artificial events. */
  readonly logPos: number;
  readonly flags: number;
  /**
   * True for an event out of a transaction payload. Its `size` and `logPos` are those of the
   * payload event, which is where it stands in the binlog.
   */
  readonly nested: boolean;
};

export type ChecksumAlgorithm = "none" | "crc32";

export type FormatDescriptionEvent = {
  readonly kind: "format_description";
  readonly header: EventHeader;
  readonly serverVersion: string;
  readonly checksum: ChecksumAlgorithm;
};

export type RotateEvent = {
  readonly kind: "rotate";
  readonly header: EventHeader;
  readonly file: string;
  readonly pos: bigint;
  /** Sent by the server at the start of a stream; it is in no file. */
  readonly fake: boolean;
};

export type QueryEvent = {
  readonly kind: "query";
  readonly header: EventHeader;
  /** The default database of the session, empty without one. */
  readonly db: string;
  /** Bytes that are not UTF-8 are replaced: good for looking at, not for running. */
  readonly sql: string;
  readonly errorCode: number;
};

export type XidEvent = { readonly kind: "xid"; readonly header: EventHeader; readonly xid: bigint };

/** `map` is the same object as before when the table has not changed: it identifies a version. */
export type TableMapEvent = {
  readonly kind: "table_map";
  readonly header: EventHeader;
  readonly map: TableMap;
};

/**
 * Row images, not decoded yet. `bytes` is a view on what was given to `decode` and is valid only
 * until that buffer is used again; the images lie at `start` to `end`.
 */
export type RowsEvent = {
  readonly kind: "rows";
  readonly header: EventHeader;
  readonly op: "I" | "U" | "D";
  readonly map: TableMap;
  /** Which columns the images carry, as a bitmap; null when they carry all. Equal for I and D. */
  readonly presentBefore: Uint8Array | null;
  readonly presentAfter: Uint8Array | null;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
};

/** A GTID of MySQL, tagged or not; `gtid` is undefined for an anonymous transaction. */
export type GtidEvent = {
  readonly kind: "gtid";
  readonly header: EventHeader;
  readonly gtid: MysqlGtid | undefined;
  /** Unix microseconds of the commit on the server that is read; undefined before 8.0.1. */
  readonly commitMicros: bigint | undefined;
};

/** `uuid` in lower case with dashes, `tag` empty where there is none. */
export type MysqlGtid = { readonly uuid: string; readonly tag: string; readonly gno: bigint };

export type MariadbGtid = {
  readonly domain: number;
  readonly server: number;
  readonly seq: bigint;
};

export type MariadbGtidEvent = {
  readonly kind: "mariadb_gtid";
  readonly header: EventHeader;
  readonly gtid: MariadbGtid;
  /** No BEGIN and COMMIT follow: the next event is the whole transaction. */
  readonly standalone: boolean;
  /** The transaction is an XA PREPARE, or the COMMIT or ROLLBACK of one. */
  readonly xa: boolean;
};

export type MariadbGtidListEvent = {
  readonly kind: "mariadb_gtid_list";
  readonly header: EventHeader;
  readonly gtids: readonly MariadbGtid[];
  /** Sent by the server after what was skipped; not at the head of a file. */
  readonly fake: boolean;
};

export type PreviousGtidsEvent = {
  readonly kind: "previous_gtids";
  readonly header: EventHeader;
  /** As the server prints it. */
  readonly set: string;
};

export type HeartbeatEvent = {
  readonly kind: "heartbeat";
  readonly header: EventHeader;
  readonly file: string;
  /** Where the server reads: 64 bits in version 2, else the header's 32. */
  readonly pos: bigint;
};

/** ROWS_QUERY of MySQL, ANNOTATE_ROWS of MariaDB: the statement behind the rows that follow. */
export type AnnotateEvent = {
  readonly kind: "annotate";
  readonly header: EventHeader;
  readonly sql: string;
};

/**
 * A whole transaction, compressed. Its events are decoded one by one while they are iterated; a
 * large one is unpacked meanwhile, and an event of it is valid only until the next is asked for.
 */
export type TransactionPayloadEvent = {
  readonly kind: "transaction_payload";
  readonly header: EventHeader;
  readonly events: Iterable<BinlogEvent> | AsyncIterable<BinlogEvent>;
};

/** An event that was too large to be kept, as far as it was: without the bytes behind its head. */
export type SkippedEvent = {
  /** Its first bytes, the header and the number of the table among them. */
  readonly head: Buffer;
  /** Bytes of the whole event, header and checksum included. */
  readonly size: number;
  /** The CRC32 of all of it; undefined where it has no checksum of its own. */
  readonly crc: number | undefined;
};

/** Rows that were too large to be read: one, since a server puts several only into small events. */
export type OversizedEvent = {
  readonly kind: "oversized";
  readonly header: EventHeader;
  readonly op: "I" | "U" | "D";
  readonly map: TableMap;
  /** Bytes of the event, or of what it holds when that is compressed. */
  readonly bytes: number;
};

export type XaPrepareEvent = {
  readonly kind: "xa_prepare";
  readonly header: EventHeader;
  readonly onePhase: boolean;
};

export type StopEvent = { readonly kind: "stop"; readonly header: EventHeader };

/** The server says that it may have lost events. */
export type IncidentEvent = {
  readonly kind: "incident";
  readonly header: EventHeader;
  readonly message: string;
};

/** Part of a statement that was logged as such: INTVAR, RAND, USER_VAR, LOAD DATA. */
export type StatementEvent = {
  readonly kind: "statement";
  readonly header: EventHeader;
  readonly what: string;
};

/** Carries nothing that rows need, or its writer says that whoever does not know it may go on. */
export type IgnorableEvent = { readonly kind: "ignorable"; readonly header: EventHeader };

export type BinlogEvent =
  | FormatDescriptionEvent
  | RotateEvent
  | QueryEvent
  | XidEvent
  | TableMapEvent
  | RowsEvent
  | OversizedEvent
  | GtidEvent
  | MariadbGtidEvent
  | MariadbGtidListEvent
  | PreviousGtidsEvent
  | HeartbeatEvent
  | AnnotateEvent
  | TransactionPayloadEvent
  | XaPrepareEvent
  | StopEvent
  | IncidentEvent
  | StatementEvent
  | IgnorableEvent;

/** The event itself, or those inside it when it is a transaction payload. */
export function eventsOf(event: BinlogEvent): Iterable<BinlogEvent> | AsyncIterable<BinlogEvent> {
  return event.kind === "transaction_payload" ? event.events : [event];
}
