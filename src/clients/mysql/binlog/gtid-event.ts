import { type Cursor, corrupt, take, uint32, uint64 } from "./bytes.ts";
import type {
  EventHeader,
  GtidEvent,
  MariadbGtid,
  MariadbGtidEvent,
  MariadbGtidListEvent,
  PreviousGtidsEvent,
} from "./event.ts";
import { eventFlag, eventType } from "./event-type.ts";
import { decodeGtidSet, printGtidSet, uuidText } from "./gtid.ts";

/**
 * GTID and ANONYMOUS_GTID:
 *
 *     flags:1 uuid:16 gno:8 [logical-type:1 = 2  last-committed:8 sequence:8 [commit-micros:7 ...]]
 *
 * The top bit of the commit time says that the original commit's time follows it.
 */
export function parseGtid(c: Cursor, header: EventHeader): GtidEvent {
  const b = c.bytes;
  const at = take(c, 25);
  const gno = uint64(b, at + 17);
  const anonymous = header.type === eventType.anonymousGtid;
  if (!anonymous && (gno === 0n || gno >= 2n ** 63n)) throw corrupt("a GTID has no number");
  const gtid = anonymous ? undefined : { uuid: uuidText(b, at + 1), tag: "", gno };
  let commitMicros: bigint | undefined;
  if (c.end - c.at >= 24 && b[c.at] === 2) {
    take(c, 17);
    commitMicros = uint64(b, take(c, 7)) & 0x7fffffffffffffn;
  }
  return { kind: "gtid", header, gtid, commitMicros };
}

/** Fields of a tagged GTID event, as `Gtid_log_event::define_fields` of the server numbers them. */
const field = { flags: 0, uuid: 1, gno: 2, tag: 3, lastCommitted: 4, sequence: 5, commit: 6 };

/**
 * GTID_TAGGED (MySQL 8.3), in the server's own serialization: a version, the size and the last
 * field that may not be ignored, then pairs of field number and value, in order, all of them
 * numbers of variable length. What follows the commit time is of no use here.
 */
export function parseTaggedGtid(c: Cursor, header: EventHeader): GtidEvent {
  const b = c.bytes;
  if (varint(c) !== 1n) throw corrupt("a tagged GTID has an unknown layout");
  varint(c);
  varint(c);
  const uuid = new Uint8Array(16);
  let tag = "";
  let gno = 0n;
  let commitMicros: bigint | undefined;
  while (c.at < c.end && commitMicros === undefined) {
    const id = Number(varint(c));
    if (id === field.flags) take(c, 1);
    else if (id === field.uuid) for (let i = 0; i < 16; i++) uuid[i] = Number(varint(c));
    else if (id === field.gno) gno = signed(varint(c));
    else if (id === field.tag) {
      const length = Number(varint(c));
      if (length > 32) throw corrupt("the tag of a GTID is too long");
      const at = take(c, length);
      tag = b.latin1Slice(at, at + length);
    } else if (id === field.commit) commitMicros = varint(c);
    else if (id === field.lastCommitted || id === field.sequence) varint(c);
    else break;
  }
  if (gno < 1n || !/^([a-z_][a-z0-9_]*)?$/.test(tag)) throw corrupt("a tagged GTID has no number");
  const gtid = { uuid: uuidText(uuid, 0), tag, gno };
  return { kind: "gtid", header, gtid, commitMicros };
}

/** So many ones at the low end of the first byte as bytes follow it; the value is above them. */
function varint(c: Cursor): bigint {
  const first = c.bytes[take(c, 1)]!;
  let more = 0;
  while (more < 8 && (first >> more) & 1) more++;
  const at = take(c, more);
  let value = more < 7 ? BigInt(first >> (more + 1)) : 0n;
  const shift = more < 7 ? BigInt(7 - more) : 0n;
  for (let i = 0; i < more; i++) value |= BigInt(c.bytes[at + i]!) << (shift + BigInt(8 * i));
  return value;
}

/** Signed numbers have their sign in the lowest bit. */
function signed(value: bigint): bigint {
  return value & 1n ? -(value >> 1n) - 1n : value >> 1n;
}

export function parsePreviousGtids(c: Cursor, header: EventHeader): PreviousGtidsEvent {
  return { kind: "previous_gtids", header, set: printGtidSet(decodeGtidSet(c)) };
}

const mariadbFlag = { standalone: 0x01, preparedXa: 0x40, completedXa: 0x80 };

/** MariaDB's GTID: `seq:8 domain:4 flags:1 ...`; the server is that of the header. */
export function parseMariadbGtid(c: Cursor, header: EventHeader): MariadbGtidEvent {
  const b = c.bytes;
  const at = take(c, 13);
  const flags = b[at + 12]!;
  return {
    kind: "mariadb_gtid",
    header,
    gtid: { domain: uint32(b, at + 8), server: header.serverId, seq: uint64(b, at) },
    standalone: (flags & mariadbFlag.standalone) !== 0,
    xa: (flags & (mariadbFlag.preparedXa | mariadbFlag.completedXa)) !== 0,
  };
}

/** `count:4 (domain:4 server:4 seq:8)*`, the upper four bits of the count being flags. */
export function parseGtidList(c: Cursor, header: EventHeader): MariadbGtidListEvent {
  const b = c.bytes;
  const count = uint32(b, take(c, 4)) & 0x0fffffff;
  const gtids: MariadbGtid[] = [];
  for (let i = 0; i < count; i++) {
    const at = take(c, 16);
    gtids.push({ domain: uint32(b, at), server: uint32(b, at + 4), seq: uint64(b, at + 8) });
  }
  const fake = header.logPos === 0 || (header.flags & eventFlag.artificial) !== 0;
  return { kind: "mariadb_gtid_list", header, gtids, fake };
}
