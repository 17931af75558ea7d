import { describe, expect, test } from "bun:test";
import { recordCursor } from "#src/clients/kafka/consumer/record-cursor.ts";
import { crc32c } from "#src/clients/kafka/crc32c.ts";
import type { Compression, KafkaRecord } from "#src/clients/kafka/port.ts";
import { requestWriter } from "#src/clients/kafka/producer/record-batch.ts";
import { lz4Frame } from "#src/clients/kafka/wire/lz4.ts";
import { unsnappy } from "#src/clients/kafka/wire/snappy.ts";
import { DbusError } from "#src/errors.ts";
import { seededRandom, testSeed } from "../../support/random.ts";

const stamp = { producerId: 7n, epoch: 0, sequence: 0 };
const options = { from: 0, aborted: [], batchBytesMax: 1 << 20 };

const recordsOf = (count: number, from = 0): KafkaRecord[] =>
  Array.from({ length: count }, (_, i) => ({
    key: `k${i}`,
    value: `v${from + i}`,
    headers: [["h", null]],
    timestamp: 1_000 + i,
  }));

type Marks = { readonly attributes?: number; readonly producerId?: bigint };

/** A batch as it lies in the log from `base` on. */
function batch(base: number, count: number, how: Compression = "none", marks: Marks = {}): Buffer {
  const writer = requestWriter(how, 1 << 20);
  const own = { ...stamp, producerId: marks.producerId ?? stamp.producerId };
  writer.batch(recordsOf(count, base), 0, own, 1 << 20);
  const bytes = Buffer.from(writer.bytes());
  bytes.writeBigInt64BE(BigInt(base), 0);
  if (marks.attributes) {
    bytes.writeInt16BE(bytes.readInt16BE(21) | marks.attributes, 21);
    bytes.writeUInt32BE(crc32c(bytes, 21, bytes.length), 17);
  }
  return bytes;
}

const transactional = 16;
const control = 32;

function read(data: Buffer, more: Partial<Parameters<typeof recordCursor>[1]> = {}, step = 1_000) {
  const cursor = recordCursor(data, { ...options, ...more });
  const values: string[] = [];
  while (!cursor.done) for (const { value } of cursor.take(step)) values.push(`${value}`);
  return { values, next: cursor.next };
}

const values = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `v${from + i}`);

describe("the records of an answer", () => {
  test("come whole and in order, in pieces of any size, whatever the compression", () => {
    for (const how of ["none", "gzip", "zstd"] as const) {
      const data = Buffer.concat([batch(0, 50, how), batch(50, 30, how)]);
      for (const step of [1, 7, 1_000]) {
        expect(read(data, {}, step)).toEqual({ values: values(0, 80), next: 80 });
      }
    }
  });

  test("begin where they were asked for, and a batch that is cut off is asked for again", () => {
    const data = Buffer.concat([batch(0, 50), batch(50, 30)]);
    expect(read(data, { from: 20 }).values).toEqual(values(20, 80));
    const whole = batch(0, 50).length;
    for (const length of [whole, whole + 1, whole + 40, data.length - 1]) {
      expect(read(data.subarray(0, length))).toEqual({ values: values(0, 50), next: 50 });
    }
    expect(recordCursor(data.subarray(0, 30), options).cut).toBe(true);
  });

  test("may have holes where a log was compacted (fault 40)", () => {
    const data = Buffer.concat([batch(3, 5), batch(100, 5)]);
    expect(read(data)).toEqual({ values: [...values(3, 8), ...values(100, 105)], next: 105 });
  });

  test("of an aborted transaction are left out, with what marks its end (fault 40)", () => {
    const own = { attributes: transactional, producerId: 9n };
    const end = { attributes: transactional | control, producerId: 9n };
    const data = Buffer.concat([
      ...[batch(0, 5), batch(5, 5, "none", own), batch(10, 5), batch(15, 1, "none", end)],
      batch(16, 4, "none", own),
    ]);
    const aborted = [{ producerId: 9n, firstOffset: 5 }];
    expect(read(data, { aborted })).toEqual({
      values: [...values(0, 5), ...values(10, 15), ...values(16, 20)],
      next: 20,
    });
    expect(read(data).values).toHaveLength(19);
  });

  test("before a damaged batch are handed out, and those behind it can be (fault 41)", () => {
    const data = Buffer.concat([batch(0, 5), batch(5, 5), batch(10, 5)]);
    data[batch(0, 5).length + 70]! ^= 1;
    const cursor = recordCursor(data, options);
    expect(cursor.take(1_000)).toHaveLength(5);
    expect(() => cursor.take(1_000)).toThrow(/checksum of the batch at offset 5/);
    expect(() => cursor.take(1_000)).toThrow(/checksum/);
    expect(cursor.skip(5)).toBe(10);
    expect(cursor.take(1_000).map(({ offset }) => offset)).toEqual([10, 11, 12, 13, 14]);
  });

  test("never come from a batch with a flipped bit, but for the few bytes without a checksum", () => {
    const clean = batch(0, 20);
    for (let at = 17; at < clean.length; at++) {
      const data = Buffer.from(clean);
      data[at]! ^= 1 << (at % 8);
      expect(() => read(data)).toThrow(DbusError);
    }
  });

  test("that unpack to more than allowed are refused, not unpacked", () => {
    for (const how of ["gzip", "zstd"] as const) {
      const data = batch(0, 20_000, how);
      expect(() => read(data, { batchBytesMax: 10_000 })).toThrow(/cannot be decompressed/);
    }
  });
});

describe("what is packed by LZ4 or Snappy", () => {
  test("is an error, and soon, when it is anything at all", () => {
    const random = seededRandom(testSeed("packed records"));
    const lz4Head = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    for (let n = 0; n < 3_000; n++) {
      const noise = Buffer.from(random.bytes(random.int(1, 200)));
      const size = Buffer.alloc(4);
      size.writeUInt32LE(noise.length);
      const frame = Buffer.concat([lz4Head, size, noise, Buffer.alloc(4)]);
      for (const unpack of [() => unsnappy(noise, 65_536), () => lz4Frame(frame, 65_536)]) {
        try {
          expect(unpack().length).toBeLessThanOrEqual(65_536);
        } catch (error) {
          expect((error as DbusError).code).toBe("KAFKA_RECORD_CORRUPT");
        }
      }
    }
  });
});

/** A batch whose header fields are changed, with the checksum that fits them. */
function forged(bytes: Buffer, change: (bytes: Buffer) => void): Buffer {
  change(bytes);
  bytes.writeUInt32BE(crc32c(bytes, 21, bytes.length), 17);
  return bytes;
}

describe("a batch that contradicts itself", () => {
  test.each<[string, (bytes: Buffer) => void]>([
    ["a number of records below zero", (bytes) => void bytes.writeInt32BE(-1, 57)],
    ["fewer records than it holds", (bytes) => void bytes.writeInt32BE(4, 57)],
    ["more records than offsets", (bytes) => void bytes.writeInt32BE(3, 23)],
    ["a last offset before its first", (bytes) => void bytes.writeInt32BE(-7, 23)],
    ["an offset that no number can hold", (bytes) => void bytes.writeInt32BE(0x7fffffff, 0)],
  ])("S18: %s is corrupt, at once", (_, change) => {
    const data = forged(batch(0, 5), change);
    const cursor = recordCursor(data, options);
    const all = () => [1, 2].map(() => cursor.take(1_000));
    expect(all).toThrow(/the batch at offset|a batch holds more/);
    expect(all).toThrow(DbusError);
  });

  test("S18: a batch that goes back before the one in front of it is corrupt", () => {
    const cursor = recordCursor(Buffer.concat([batch(10, 5), batch(12, 5)]), options);
    expect(cursor.take(1_000)).toHaveLength(5);
    expect(() => cursor.take(1_000)).toThrow(/offset 12/);
  });
});

describe("what is passed over", () => {
  /** Takes what can be taken of the only batch, and says where reading goes on behind it. */
  function behind(data: Buffer, at = 0): number {
    const cursor = recordCursor(data, options);
    expect(() => cursor.take(1_000)).toThrow(DbusError);
    return cursor.skip(at);
  }

  test("is the damaged batch and no record more, whichever bit of its header is wrong", () => {
    for (let byte = 21; byte < 61; byte++) {
      for (let bit = 0; bit < 8; bit++) {
        const data = Buffer.concat([batch(0, 5), batch(5, 5)]);
        data[byte]! ^= 1 << bit;
        expect(behind(data)).toBe(5);
        expect(behind(data.subarray(0, batch(0, 5).length))).toBeWithin(1, 6);
      }
    }
  });

  test("never goes back, nor beyond the batch, when its length is wrong", () => {
    for (let bit = 0; bit < 32; bit++) {
      const data = Buffer.concat([batch(0, 5), batch(5, 5)]);
      data[8 + (bit >>> 3)]! ^= 1 << (bit & 7);
      const cursor = recordCursor(data, options);
      // A longer one than came is asked for again, and told when it never comes.
      if (cursor.cut) continue;
      expect(() => cursor.take(1_000)).toThrow(DbusError);
      expect(cursor.skip(0)).toBeWithin(1, 6);
    }
  });

  test("is at least one offset, so that it comes to an end", () => {
    const data = batch(0, 5);
    data[30]! ^= 1;
    expect(behind(data, 5)).toBe(6);
  });
});

test("what is written in a format of before 0.11 is said to be that, however short it is", () => {
  // Offset, size, CRC, magic 1, attributes, timestamp, no key, no value.
  const message = Buffer.alloc(34);
  message.writeInt32BE(22, 8);
  message[16] = 1;
  const cursor = recordCursor(message, options);
  expect(cursor.cut).toBe(false);
  expect(() => cursor.take(1)).toThrow(/format 1/);
  expect(cursor.skip(0)).toBe(1);
});
