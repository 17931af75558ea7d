import { DbusError } from "#src/errors.ts";
import { type Cursor, corrupt, packedInt, take, uint16, uint64 } from "./bytes.ts";
import type {
  ChecksumAlgorithm,
  EventHeader,
  FormatDescriptionEvent,
  HeartbeatEvent,
  QueryEvent,
  RotateEvent,
} from "./event.ts";
import { eventType } from "./event-type.ts";

/**
 * The body of a format description, which is followed by a checksum in any case:
 *
 *     binlog-version:2 server-version:50 created:4 header-length:1 post-header-lengths:* checksum:1
 */
export function parseFormat(b: Buffer, header: EventHeader): FormatDescriptionEvent {
  const at = 19;
  if (b.length < at + 57 + 5) throw corrupt("a format description is too short");
  if (uint16(b, at) !== 4 || b[at + 56] !== 19) {
    const message = "the binlog is not of version 4, which servers write since MySQL 5.0";
    throw new DbusError("BINLOG_EVENT_UNSUPPORTED", message);
  }
  const zero = b.indexOf(0, at + 2);
  const serverVersion = b.latin1Slice(at + 2, Math.min(zero < 0 ? at + 52 : zero, at + 52));
  return {
    kind: "format_description",
    header,
    serverVersion,
    checksum: checksumOf(serverVersion, b[b.length - 5]!),
  };
}

function checksumOf(serverVersion: string, algorithm: number): ChecksumAlgorithm {
  const [major = 0, minor = 0] = serverVersion.split(".").map((part) => Number.parseInt(part, 10));
  if (!(major > 5 || (major === 5 && minor >= 6))) {
    const message = `binlogs of server version ${JSON.stringify(serverVersion)} cannot be read`;
    throw new DbusError("BINLOG_EVENT_UNSUPPORTED", message);
  }
  if (algorithm === 0) return "none";
  if (algorithm === 1) return "crc32";
  throw new DbusError("BINLOG_EVENT_UNSUPPORTED", `checksum algorithm ${algorithm} is unknown`);
}

export function parseRotate(c: Cursor, header: EventHeader, fake: boolean): RotateEvent {
  const pos = uint64(c.bytes, take(c, 8));
  const file = c.bytes.utf8Slice(c.at, c.end);
  // It becomes part of positions and of what people read: no file is called otherwise.
  if (!/^[^\p{Cc}/]{1,512}$/u.test(file)) throw corrupt("a ROTATE names no file");
  return { kind: "rotate", header, file, pos, fake };
}

/** `thread:4 seconds:4 db-length:1 error:2 variables-length:2 variables db 0 sql`. */
export function parseQuery(
  c: Cursor,
  header: EventHeader,
  unpack: (sql: Buffer) => Buffer,
): QueryEvent {
  const b = c.bytes;
  const at = take(c, 13);
  take(c, uint16(b, at + 11));
  const length = b[at + 8]!;
  const db = take(c, length + 1);
  const sql = unpack(b.subarray(c.at, c.end));
  return {
    kind: "query",
    header,
    db: b.utf8Slice(db, db + length),
    sql: sql.utf8Slice(0, sql.length),
    errorCode: uint16(b, at + 9),
  };
}

/**
 * Version 1 is a file name, its position stands in the header. Version 2 is a list of
 * `type:1 length:packed value`: 1 is the name, 2 the position, 0 the end.
 */
export function parseHeartbeat(c: Cursor, header: EventHeader): HeartbeatEvent {
  const { bytes: b } = c;
  if (header.type === eventType.heartbeat) {
    const file = b.utf8Slice(c.at, c.end);
    return { kind: "heartbeat", header, file, pos: BigInt(header.logPos) };
  }
  let file = "";
  let pos = 0n;
  while (c.at < c.end) {
    const kind = b[take(c, 1)];
    if (kind === 0) break;
    const length = packedInt(c);
    const at = take(c, length);
    if (kind === 1) file = b.utf8Slice(at, at + length);
    if (kind === 2) pos = BigInt(packedInt({ bytes: b, at, end: at + length }));
  }
  return { kind: "heartbeat", header, file, pos };
}
