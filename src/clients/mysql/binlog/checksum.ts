import { DbusError } from "#src/errors.ts";
import { uint16, uint32 } from "./bytes.ts";
import type { ChecksumAlgorithm } from "./event.ts";
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

/**
 * A format description always has a checksum, even in a file whose other events have none. Two
 * things are not in it: the flag that the file is in use, which is cleared when it is closed, and,
 * without checksums, the creation time that a server blanks when it starts in the midst of a file.
 */
export function checkFormat(b: Buffer, checksum: ChecksumAlgorithm): void {
  const created = uint32(b, 19 + 2 + 50);
  if (checksum === "none" && (created === 0 || uint32(b, 13) === 0)) return;
  if ((uint16(b, 17) & eventFlag.inUse) === 0) {
    checkEvent(b);
    return;
  }
  const closed = Buffer.from(b);
  closed[17] = closed[17]! & ~eventFlag.inUse;
  checkEvent(closed);
}
