import { DbusError, toDbusError } from "#src/errors.ts";
import type { Flavor } from "../flavor.ts";
import { type Cursor, corrupt, take, uint16, uint32, uint48, uint64 } from "./bytes.ts";
import { checkEvent, checkFormat, checkWhole, hasValidChecksum, isOldFormat } from "./checksum.ts";
import { inflateMariadb } from "./compressed.ts";
import type {
  BinlogEvent,
  ChecksumAlgorithm,
  EventHeader,
  FormatDescriptionEvent,
  SkippedEvent,
} from "./event.ts";
import { eventFlag, eventType as t } from "./event-type.ts";
import {
  parseGtid,
  parseGtidList,
  parseMariadbGtid,
  parsePreviousGtids,
  parseTaggedGtid,
} from "./gtid-event.ts";
import { parseFormat, parseHeartbeat, parseQuery, parseRotate } from "./log-event.ts";
import { unpackTransaction } from "./payload.ts";
import { parseRows, type RowsShape, rowsShapes } from "./rows-event.ts";
import { createTableCache } from "./table-cache.ts";

export type BinlogDecoderOptions = {
  /** No event may come to more, compressed or not, in bytes; the default is 1 GiB. */
  readonly eventBytesMax?: number;
  /** Whether rows beyond it throw, or come as `oversized`; the default is `fail`. */
  readonly onEventTooLarge?: "fail" | "skip";
  /**
   * What the server agreed to send, so that what comes before the format description is checked
   * too: a stream begins with a ROTATE. Unknown with a file, which begins with its format.
   */
  readonly checksum?: ChecksumAlgorithm;
};

export type BinlogDecoder = {
  /**
   * Decodes one whole event, header to checksum. Keeps the format description and the table maps
   * between calls. Throws BINLOG_CHECKSUM, BINLOG_CORRUPT, BINLOG_EVENT_UNSUPPORTED, and
   * MYSQL_EVENT_TOO_LARGE for a compressed event that comes to more than `eventBytesMax`; the events
   * of a transaction payload throw while they are iterated.
   */
  decode(bytes: Uint8Array): BinlogEvent;
  /**
   * The same of an event that was let go of. Throws MYSQL_EVENT_TOO_LARGE for one that may not be
   * passed over: whatever is neither rows nor the text of a statement.
   */
  decodeSkipped(event: SkippedEvent): BinlogEvent;
};

const headerBytes = 19;

export function createBinlogDecoder(options: BinlogDecoderOptions = {}): BinlogDecoder {
  const eventBytesMax = options.eventBytesMax ?? 1024 * 1024 * 1024;
  const skips = options.onEventTooLarge === "skip";
  const tables = createTableCache();
  let format: FormatDescriptionEvent | undefined;

  function decode(bytes: Uint8Array): BinlogEvent {
    const b = asBuffer(bytes);
    if (b.length < headerBytes || uint32(b, 9) !== b.length) {
      throw corrupt("the size in the header of an event is not its length");
    }
    const type = b[4]!;
    const header = parseHeader(b, undefined);
    if (type === t.formatDescription) {
      format = readFormat(b, header);
      tables.clear();
      return format;
    }
    const end = bodyEnd(b, header);
    return decodeBody({ bytes: b, at: headerBytes, end }, header);
  }

  /** Its checksum comes first, or a wrong byte would be taken for a version that is not known. */
  function readFormat(b: Buffer, header: EventHeader): FormatDescriptionEvent {
    const first = format === undefined;
    if (!isOldFormat(b)) checkFormat(b, first);
    const read = parseFormat(b, header);
    if (isOldFormat(b)) checkFormat(b, first);
    return read;
  }

  /** Where the checksum begins, after looking whether it is right. */
  function bodyEnd(b: Buffer, header: EventHeader): number {
    if (format === undefined && options.checksum === "crc32") checkEvent(b);
    if (isFakeRotate(header)) {
      // It may come before the format that says whether it has a checksum, or belong to the file
      // before: the bytes themselves tell.
      if (hasValidChecksum(b)) return b.length - 4;
      if (format?.checksum === "crc32") checkEvent(b);
      return b.length;
    }
    if (format === undefined) throw corrupt("an event comes before the format description");
    if (format.checksum === "none") return b.length;
    checkEvent(b);
    return b.length - 4;
  }

  const inflate = (packed: Buffer) => inflateMariadb(packed, eventBytesMax);

  function decodeBody(c: Cursor, header: EventHeader): BinlogEvent {
    const rows = rowsShapes[header.type];
    if (rows !== undefined) return decodeRows(c, header, rows);
    switch (header.type) {
      case t.tableMap:
        return { kind: "table_map", header, map: tables.put(c, flavorOf(format)) };
      case t.xid:
        tables.trim();
        return { kind: "xid", header, xid: uint64(c.bytes, take(c, 8)) };
      case t.query:
        return parseQuery(c, header, (sql) => sql);
      case t.queryCompressed:
        return parseQuery(c, header, inflate);
      case t.transactionPayload:
        return unpackTransaction(c, header, { eventBytesMax, skips, decode: decodeNested });
      case t.rotate:
        if (!isFakeRotate(header)) tables.clear();
        return parseRotate(c, header, isFakeRotate(header));
      default:
        return decodeGtids(c, header) ?? decodeOther(c, header);
    }
  }

  /** Rows of MariaDB's that are small only as long as they are compressed are too large as well. */
  function decodeRows(c: Cursor, header: EventHeader, shape: RowsShape): BinlogEvent {
    const body = c.at;
    try {
      return parseRows(c, header, shape, tables.get, inflate);
    } catch (error) {
      if (!skips || toDbusError(error).code !== "MYSQL_EVENT_TOO_LARGE") throw error;
      return oversized(header, shape, uint48(c.bytes, body), c.end - body);
    }
  }

  function oversized(
    header: EventHeader,
    { op }: RowsShape,
    tableId: number,
    bytes: number,
  ): BinlogEvent {
    const map = tables.get(tableId);
    if (map === undefined) throw corrupt("rows of a table that no TABLE_MAP has announced");
    return { kind: "oversized", header, op, map, bytes };
  }

  function decodeSkipped(event: SkippedEvent, outer?: EventHeader): BinlogEvent {
    const { head, size, crc } = event;
    if (head.length < headerBytes + 8 || uint32(head, 9) !== size) {
      throw corrupt("the size in the header of an event is not its length");
    }
    if (outer === undefined) {
      if (format === undefined) throw corrupt("an event comes before the format description");
      if (format.checksum === "crc32") checkWhole(crc, head[4]!);
    }
    const header = outer ? parseHeader(head, outer) : { ...parseHeader(head, undefined), size };
    const shape = rowsShapes[header.type];
    if (shape !== undefined) return oversized(header, shape, uint48(head, headerBytes), size);
    if (header.type === t.rowsQuery || header.type === t.annotateRows) {
      return { kind: "ignorable", header };
    }
    const what = header.type === t.transactionPayload ? "a compressed transaction" : "an event";
    const message = `${what} of type ${header.type} has ${size} bytes, more than ${eventBytesMax}`;
    throw new DbusError("MYSQL_EVENT_TOO_LARGE", message);
  }

  /** An event out of a payload has no checksum, and stands where its payload stands. */
  function decodeNested(event: Buffer | SkippedEvent, outer: EventHeader): BinlogEvent {
    if ("head" in event) return decodeSkipped(event, outer);
    const b = event;
    const header = parseHeader(b, outer);
    if (header.type === t.formatDescription || header.type === t.transactionPayload) {
      throw corrupt("a transaction payload holds what it may not hold");
    }
    return decodeBody({ bytes: b, at: headerBytes, end: b.length }, header);
  }

  return { decode, decodeSkipped: (event) => decodeSkipped(event) };
}

/** A server writes its name into the version that each of its files begins with. */
function flavorOf(format: FormatDescriptionEvent | undefined): Flavor {
  return /mariadb/i.test(format?.serverVersion ?? "") ? "mariadb" : "mysql";
}

function asBuffer(bytes: Uint8Array): Buffer {
  if (bytes instanceof Buffer) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function parseHeader(b: Buffer, outer: EventHeader | undefined): EventHeader {
  return {
    timestamp: uint32(b, 0),
    type: b[4]!,
    serverId: uint32(b, 5),
    size: outer === undefined ? b.length : outer.size,
    logPos: outer === undefined ? uint32(b, 13) : outer.logPos,
    flags: uint16(b, 17),
    nested: outer !== undefined,
  };
}

function isFakeRotate(header: EventHeader): boolean {
  if (header.type !== t.rotate) return false;
  return header.logPos === 0 || (header.flags & eventFlag.artificial) !== 0;
}

function decodeGtids(c: Cursor, header: EventHeader): BinlogEvent | undefined {
  switch (header.type) {
    case t.gtid:
    case t.anonymousGtid:
      return parseGtid(c, header);
    case t.gtidTagged:
      return parseTaggedGtid(c, header);
    case t.previousGtids:
      return parsePreviousGtids(c, header);
    case t.mariadbGtid:
      return parseMariadbGtid(c, header);
    case t.gtidList:
      return parseGtidList(c, header);
    default:
      return undefined;
  }
}

function decodeOther(c: Cursor, header: EventHeader): BinlogEvent {
  const { bytes: b, at, end } = c;
  switch (header.type) {
    case t.stop:
      return { kind: "stop", header };
    case t.heartbeat:
    case t.heartbeatV2:
      return parseHeartbeat(c, header);
    case t.rowsQuery:
      // The length byte before the text is useless: it is the length modulo 256.
      take(c, 1);
      return { kind: "annotate", header, sql: b.utf8Slice(at + 1, end) };
    case t.annotateRows:
      return { kind: "annotate", header, sql: b.utf8Slice(at, end) };
    case t.xaPrepare:
      return { kind: "xa_prepare", header, onePhase: b[take(c, 1)] !== 0 };
    case t.incident: {
      take(c, 2);
      const length = b[take(c, 1)]!;
      const text = take(c, length);
      return { kind: "incident", header, message: b.utf8Slice(text, text + length) };
    }
    case t.intvar:
    case t.rand:
    case t.userVar:
    case t.beginLoadQuery:
    case t.executeLoadQuery:
    case t.appendBlock:
    case t.deleteFile:
      return { kind: "statement", header, what: statementParts[header.type] ?? "a statement" };
    case t.ignorable:
    case t.transactionContext:
    case t.viewChange:
    case t.binlogCheckpoint:
    case t.startEncryption:
      return { kind: "ignorable", header };
    default:
      if ((header.flags & eventFlag.ignorable) !== 0) return { kind: "ignorable", header };
      throw unsupported(header.type);
  }
}

const statementParts: Readonly<Record<number, string>> = {
  [t.intvar]: "INTVAR",
  [t.rand]: "RAND",
  [t.userVar]: "USER_VAR",
  [t.beginLoadQuery]: "LOAD DATA",
  [t.executeLoadQuery]: "LOAD DATA",
  [t.appendBlock]: "LOAD DATA",
  [t.deleteFile]: "LOAD DATA",
};

function unsupported(type: number): DbusError {
  if (type === t.partialUpdateRows) {
    const message = "a PARTIAL_UPDATE_ROWS event holds differences of JSON instead of values";
    const remedy = "SET GLOBAL binlog_row_value_options = '', and connect the writers anew";
    return new DbusError("BINLOG_EVENT_UNSUPPORTED", message, { remedy });
  }
  return new DbusError("BINLOG_EVENT_UNSUPPORTED", `events of type ${type} cannot be read yet`);
}
