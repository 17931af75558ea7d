import { DbusError } from "../../../errors.ts";

/*
 * Snappy as Kafka's clients write it: the frames of snappy-java (a header of sixteen bytes, then
 * INT32 lengths with a raw block each), or, by librdkafka, one raw block. A raw block
 * (https://github.com/google/snappy/blob/main/format_description.txt) is the length of its content
 * as a varint, then literals and copies.
 */
const javaMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const javaHeaderBytes = 16;

/** The content of a batch. Throws `KAFKA_RECORD_CORRUPT`. */
export function unsnappy(data: Buffer, bytesMax: number): Buffer {
  if (data.length < javaHeaderBytes || !data.subarray(0, 8).equals(javaMagic)) {
    return rawBlock(data, bytesMax);
  }
  const blocks: Buffer[] = [];
  let left = bytesMax;
  for (let at = javaHeaderBytes; at < data.length; ) {
    if (at + 4 > data.length) throw corrupt("a block without a length");
    const end = at + 4 + data.readUInt32BE(at);
    if (end > data.length) throw corrupt("a block behind the end");
    const block = rawBlock(data.subarray(at + 4, end), left);
    left -= block.length;
    blocks.push(block);
    at = end;
  }
  return blocks.length === 1 ? (blocks[0] as Buffer) : Buffer.concat(blocks);
}

function rawBlock(data: Buffer, bytesMax: number): Buffer {
  let at = 0;
  let size = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = data[at++];
    if (byte === undefined || shift > 28) throw corrupt("no length");
    size += (byte & 127) * 2 ** shift;
    if (byte < 128) break;
  }
  if (size > bytesMax) throw corrupt(`more than ${bytesMax} bytes`);
  const out = Buffer.allocUnsafeSlow(size);
  let to = 0;

  function number(bytes: number): number {
    if (at + bytes > data.length) throw corrupt("a piece behind the end");
    const value = bytes === 0 ? 0 : data.readUIntLE(at, bytes);
    at += bytes;
    return value;
  }

  function literal(tag: number): void {
    const short = tag >>> 2;
    const count = (short < 60 ? short : number(short - 59)) + 1;
    if (at + count > data.length || to + count > size) throw corrupt("literals behind the end");
    out.set(data.subarray(at, at + count), to);
    at += count;
    to += count;
  }

  function copy(offset: number, count: number): void {
    if (offset === 0 || offset > to || to + count > size) throw corrupt("a copy from nowhere");
    if (offset >= count) out.copyWithin(to, to - offset, to - offset + count);
    else for (let i = 0; i < count; i++) out[to + i] = out[to + i - offset] as number;
    to += count;
  }

  while (at < data.length) {
    const tag = data[at++] as number;
    const kind = tag & 3;
    if (kind === 0) literal(tag);
    else if (kind === 1) copy(((tag >>> 5) << 8) | number(1), ((tag >>> 2) & 7) + 4);
    else copy(number(kind === 2 ? 2 : 4), (tag >>> 2) + 1);
  }
  if (to !== size) throw corrupt("less than it says");
  return out;
}

function corrupt(what: string): DbusError {
  return new DbusError("KAFKA_RECORD_CORRUPT", `a batch compressed by Snappy holds ${what}`);
}
