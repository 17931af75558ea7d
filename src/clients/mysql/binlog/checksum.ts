import { DbusError } from "#src/errors.ts";
import { uint32 } from "./bytes.ts";
import { eventFlag } from "./event-type.ts";

/** The CRC32 of any bytes with their own CRC32 behind them. */
const residue = 0x2144df1c;

/** Whether the last four bytes of an event are the CRC32 of all before them. */
export function hasValidChecksum(b: Buffer): boolean {
  return b.length > 4 && Bun.hash.crc32(b) === residue;
}

/** Throws BINLOG_CHECKSUM. */
export function checkEvent(b: Buffer): void {
  if (hasValidChecksum(b)) return;
  throw new DbusError("BINLOG_CHECKSUM", `the CRC32 of an event of type ${b[4]} is wrong`);
}

/** The same of the CRC32 of a whole event, its own included, of that type. Throws BINLOG_CHECKSUM. */
export function checkWhole(crc: number | undefined, type: number): void {
  if (crc === residue) return;
  throw new DbusError("BINLOG_CHECKSUM", `the CRC32 of an event of type ${type} is wrong`);
}

/** Where a format description says which checksum the other events have. */
const algorithmFromEnd = 5;

/**
 * A format description always has a checksum, even in a file whose other events have none. The
 * flag that the file is in use is not in it, since that is cleared when the file is closed. Only
 * a server without checksums that begins in the midst of a file does not make it anew when it
 * changes the event; then the offset is 0, and it is the `first` one of the stream. Throws
 * BINLOG_CHECKSUM.
 */
export function checkFormat(b: Buffer, first: boolean): void {
  const closed = Buffer.from(b);
  closed[17] = closed[17]! & ~eventFlag.inUse;
  if (first && b[b.length - algorithmFromEnd] === 0 && uint32(b, 13) === 0) {
    // One wrong byte would turn all checks off: so it must not be that byte which makes it wrong.
    closed[b.length - algorithmFromEnd] = 1;
    if (!hasValidChecksum(closed)) return;
    closed[b.length - algorithmFromEnd] = 0;
  }
  checkEvent(closed);
}

/**
 * Whether a format description is too short for one with a checksum: up to MySQL 5.5 it lists 27
 * types of events, and nothing follows them.
 */
export function isOldFormat(b: Buffer): boolean {
  return b.length <= 19 + 57 + 27;
}
