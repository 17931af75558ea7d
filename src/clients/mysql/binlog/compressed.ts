import { inflateSync } from "node:zlib";
import { DbusError } from "#src/errors.ts";
import { corrupt } from "./bytes.ts";

/**
 * The bytes behind MariaDB's compressed form: a byte whose lower bits say how long the length is
 * and whose upper bits name the algorithm (0 is zlib), the length itself, big-endian, and a zlib
 * stream. Throws BINLOG_CORRUPT, also when the length is not what comes out, and
 * MYSQL_EVENT_TOO_LARGE before it inflates more than `bytesMax`.
 */
export function inflateMariadb(packed: Buffer, bytesMax: number): Buffer {
  const head = packed[0] ?? 0;
  const lengthBytes = head & 0x07;
  const known = (head & 0x80) !== 0 && (head & 0x70) === 0;
  if (!known || lengthBytes < 1 || lengthBytes > 4 || packed.length < 1 + lengthBytes) {
    throw corrupt("the head of a compressed event is not MariaDB's");
  }
  let length = 0;
  for (let i = 1; i <= lengthBytes; i++) length = length * 256 + packed[i]!;
  // Zlib makes at most 1,032 bytes out of one: what claims more is forged.
  if (length > packed.length * 1032) {
    throw corrupt("the length of a compressed event is beyond all bounds");
  }
  if (length > bytesMax) {
    const message = `a compressed event holds ${length} bytes, more than ${bytesMax}`;
    throw new DbusError("MYSQL_EVENT_TOO_LARGE", message);
  }
  const inflated = inflate(packed.subarray(1 + lengthBytes), length);
  if (inflated.length !== length) throw corrupt("a compressed event has another length inside");
  return inflated;
}

function inflate(stream: Buffer, length: number): Buffer {
  try {
    return inflateSync(stream, { maxOutputLength: Math.max(1, length) });
  } catch {
    throw corrupt("a compressed event cannot be inflated");
  }
}
