import { crc32c } from "../clients/kafka/crc32c.ts";
import type { SpillBody, SpillRecord } from "./spill-log.ts";

/*
 * A segment is a file of records, each
 *
 *   mark   u32  "SPL1", by which a reader finds the next record behind a damaged one
 *   length u32  of the body, in bytes
 *   crc    u32  CRC-32C of all that follows it, the length included before it
 *   first  u64  the number of its first packet
 *   count  u32  how many packets it holds
 *   body   what `spill-codec.ts` makes of them
 *
 * little-endian. The name of the file is the number of its first packet.
 */
export const HEAD = 24;
const MARK = 0x314c5053;

/** No body may be longer: a length beyond it is damage, and nothing is allocated for it. */
const BODY_MAX = 512 * 2 ** 20;

export function encodeRecord({ count, body }: SpillBody, first: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEAD + body.length);
  bytes.writeUInt32LE(MARK, 0);
  bytes.writeUInt32LE(body.length, 4);
  bytes.writeBigUInt64LE(BigInt(first), 12);
  bytes.writeUInt32LE(count, 20);
  bytes.set(body, HEAD);
  bytes.writeUInt32LE(checksum(bytes), 8);
  return bytes;
}

/** Over everything but the mark and itself. */
function checksum(record: Buffer): number {
  return (crc32c(record, 4, 8) ^ crc32c(record, 12, record.length)) >>> 0;
}

/** What the head says, or undefined where no record can begin. */
export function headAt(bytes: Buffer, at: number): { readonly size: number } | undefined {
  if (at + HEAD > bytes.length || bytes.readUInt32LE(at) !== MARK) return undefined;
  const length = bytes.readUInt32LE(at + 4);
  return length > BODY_MAX ? undefined : { size: HEAD + length };
}

/** The record in these bytes, which are its own; undefined when they are damaged. */
export function decodeRecord(bytes: Buffer): SpillRecord | undefined {
  if (bytes.readUInt32LE(8) !== checksum(bytes)) return undefined;
  const first = Number(bytes.readBigUInt64LE(12));
  const count = bytes.readUInt32LE(20);
  if (!Number.isSafeInteger(first) || first < 1 || count < 1) return undefined;
  return { first, count, body: bytes.subarray(HEAD) };
}

/** Where the next mark stands at or behind `from`; -1 where there is none. */
export function nextMark(bytes: Buffer, from: number): number {
  return bytes.indexOf("SPL1", from, "latin1");
}
