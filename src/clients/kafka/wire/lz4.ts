import { DbusError } from "../../../errors.ts";

/*
 * The LZ4 frame format (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md): magic, FLG, BD,
 * an optional content size, a header checksum, then blocks of a size (its high bit says that the
 * block is not compressed) until a size of zero. Checksums of blocks and content are passed over:
 * Kafka's own CRC covers all of it.
 */
const magic = 0x184d2204;

/** Bytes of a frame, or of frames behind one another. Throws `KAFKA_RECORD_CORRUPT`. */
export function lz4Frame(data: Buffer, bytesMax: number): Buffer {
  let out = Buffer.allocUnsafeSlow(Math.min(bytesMax, Math.max(1024, data.length * 4)));
  let at = 0;
  let to = 0;

  function room(bytes: number): void {
    if (to + bytes <= out.length) return;
    if (to + bytes > bytesMax) throw corrupt(`more than ${bytesMax} bytes`);
    const larger = Buffer.allocUnsafeSlow(Math.min(bytesMax, Math.max(out.length * 2, to + bytes)));
    larger.set(out.subarray(0, to));
    out = larger;
  }

  function block(end: number): void {
    while (at < end) {
      const token = data[at++] as number;
      const literals = length(token >>> 4, end);
      if (at + literals > end) throw corrupt("literals behind the end");
      room(literals);
      out.set(data.subarray(at, at + literals), to);
      at += literals;
      to += literals;
      if (at >= end) return;
      const offset = (data[at] as number) | ((data[at + 1] as number) << 8);
      at += 2;
      if (offset === 0 || offset > to) throw corrupt("an offset before the beginning");
      const match = length(token & 15, end) + 4;
      room(match);
      copyWithin(offset, match);
    }
  }

  /** Bytes may overlap what they are copied from: then they repeat. */
  function copyWithin(offset: number, count: number): void {
    if (offset >= count) out.copyWithin(to, to - offset, to - offset + count);
    else for (let i = 0; i < count; i++) out[to + i] = out[to + i - offset] as number;
    to += count;
  }

  function length(short: number, end: number): number {
    let value = short;
    if (short < 15) return value;
    for (let byte = 255; byte === 255; ) {
      if (at >= end) throw corrupt("a length without an end");
      byte = data[at++] as number;
      value += byte;
    }
    return value;
  }

  while (at < data.length) {
    if (at + 7 > data.length || data.readUInt32LE(at) !== magic) throw corrupt("no LZ4 frame");
    const flags = data[at + 4] as number;
    at += 6 + ((flags & 8) !== 0 ? 8 : 0) + 1;
    for (;;) {
      if (at + 4 > data.length) throw corrupt("a frame without an end");
      const head = data.readUInt32LE(at);
      at += 4;
      if (head === 0) break;
      const end = at + (head & 0x7fffffff);
      if (end > data.length) throw corrupt("a block behind the end");
      if (head >= 0x80000000) {
        room(end - at);
        out.set(data.subarray(at, end), to);
        to += end - at;
        at = end;
      } else block(end);
      if ((flags & 16) !== 0) at += 4;
    }
    if ((flags & 4) !== 0) at += 4;
  }
  return out.subarray(0, to);
}

function corrupt(what: string): DbusError {
  return new DbusError("KAFKA_RECORD_CORRUPT", `a batch compressed by LZ4 holds ${what}`);
}
