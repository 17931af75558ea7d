import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type ByteSink, putText } from "#src/byte-sink.ts";
import { crc32c } from "#src/clients/kafka/crc32c.ts";
import type { Compression, Content, KafkaRecord, KafkaValue } from "#src/clients/kafka/port.ts";
import { requestWriter } from "#src/clients/kafka/producer/record-batch.ts";
import { DbusError } from "#src/errors.ts";

const stamp = { producerId: 77n, epoch: 3, sequence: 41 };
const huge = Number.POSITIVE_INFINITY;

const record = (value: KafkaValue, more: Partial<KafkaRecord> = {}): KafkaRecord => ({
  key: null,
  value,
  headers: [],
  timestamp: 1_700_000_000_000,
  ...more,
});

/** Reads a batch as the format's description says, sharing nothing with the writer but the CRC. */
function readBatch(bytes: Uint8Array) {
  const data = Buffer.from(bytes);
  let at = 61;
  expect(data.readInt32BE(8)).toBe(data.length - 12);
  expect(data.readInt8(16)).toBe(2);
  expect(data.readUInt32BE(17)).toBe(crc32c(data, 21, data.length));
  const codec = data.readInt16BE(21);
  let body = data;
  if (codec !== 0) {
    const packed = new Uint8Array(data.subarray(61));
    body = Buffer.from(codec === 1 ? Bun.gunzipSync(packed) : Bun.zstdDecompressSync(packed));
    at = 0;
  }
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(body[at++] as number);
      value |= (byte & 127n) << shift;
      if (byte < 128n) return Number((value >> 1n) ^ -(value & 1n));
    }
  };
  const content = () => {
    const length = varint();
    if (length < 0) return null;
    at += length;
    return body.toString("latin1", at - length, at);
  };
  const base = Number(data.readBigInt64BE(27));
  const records = Array.from({ length: data.readInt32BE(57) }, (_, i) => {
    const end = varint() + at;
    expect(body[at++]).toBe(0);
    const timestamp = base + varint();
    expect(varint()).toBe(i);
    const [key, value] = [content(), content()];
    const headers = Array.from({ length: varint() }, () => [content(), content()]);
    expect(at).toBe(end);
    return { key, value, headers, timestamp };
  });
  expect(at).toBe(body.length);
  return {
    records,
    lastOffsetDelta: data.readInt32BE(23),
    maxTimestamp: Number(data.readBigInt64BE(35)),
    producerId: data.readBigInt64BE(43),
    epoch: data.readInt16BE(51),
    sequence: data.readInt32BE(53),
  };
}

const latin1 = (content: Content) =>
  content === null ? null : Buffer.from(content as string).toString("latin1");

describe("record batch", () => {
  test("whatever goes in is read back, byte for byte, under each compression", () => {
    const content = fc.oneof(
      fc.constant(null),
      fc.string({ unit: "grapheme" }),
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 0, max: 20_000 }).map((length) => "é".repeat(length % 9000)),
      fc.integer({ min: 60, max: 66 }).map((length) => "x".repeat(length)),
    );
    const header = fc.tuple(fc.string({ unit: "grapheme" }), fc.string());
    const any = fc.record({
      key: content,
      value: content,
      headers: fc.array(header, { maxLength: 3 }),
      timestamp: fc.integer({ min: 0, max: 4_000_000_000_000 }),
    });
    const compression = fc.constantFrom<Compression>("none", "gzip", "zstd");
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 20 }), compression, (records, codec) => {
        const batch = requestWriter(codec, huge).batch(records, 0, stamp, huge);
        expect(batch.written).toBe(records.length);
        const read = readBatch(batch.bytes);
        expect(read).toEqual({
          records: records.map(({ key, value, headers, timestamp }) => ({
            key: latin1(key),
            value: latin1(value),
            headers: headers.map(([name, text]) => [latin1(name), latin1(text)]),
            timestamp,
          })),
          lastOffsetDelta: records.length - 1,
          maxTimestamp: Math.max(...records.map(({ timestamp }) => timestamp)),
          ...stamp,
        });
      }),
    );
  });

  test("a batch ends before the record that would make it too large, but has one at least", () => {
    const records = Array.from({ length: 10 }, (_, i) => record(`${i}`.repeat(100)));
    const writer = requestWriter("none", huge);
    const first = writer.batch(records, 0, stamp, 500);
    expect(first.bytes.length).toBeLessThanOrEqual(500);
    expect(first).toMatchObject({ written: 4, end: 4, refused: [] });
    const second = writer.batch(records, first.end, stamp, 1);
    expect(second).toMatchObject({ written: 1, end: 5 });
    expect(readBatch(first.bytes).records[3]?.value).toBe("3".repeat(100));
    expect(readBatch(second.bytes).records[0]?.value).toBe("4".repeat(100));
  });

  test("a record above its limit is left out and named, those around it go", () => {
    const records = [record("a"), record("b".repeat(2000)), record("c")];
    const batch = requestWriter("none", 1000).batch(records, 0, stamp, huge);
    expect(batch).toMatchObject({ written: 2, end: 3 });
    expect(batch.refused.map(({ index, error }) => [index, error.code])).toEqual([
      [1, "KAFKA_RECORD_TOO_LARGE"],
    ]);
    expect(readBatch(batch.bytes).records.map(({ value }) => value)).toEqual(["a", "c"]);
  });

  test("a value that cannot write itself is refused alone, and leaves nothing behind", () => {
    const failing = {
      writeTo(sink: ByteSink) {
        putText(sink, "half of ");
        throw new DbusError("FORMAT_VALUE", "no");
      },
    };
    const writing = { writeTo: (sink: ByteSink) => putText(sink, "é".repeat(5000)) };
    const records = [record("a"), record(failing), record(writing)];
    const batch = requestWriter("none", huge).batch(records, 0, stamp, huge);
    expect(batch.refused.map(({ index, error }) => [index, error.code])).toEqual([
      [1, "FORMAT_VALUE"],
    ]);
    const values = readBatch(batch.bytes).records.map(({ value }) => value);
    expect(values).toEqual(["a", latin1("é".repeat(5000))]);
  });

  test("when no record fits nothing is written", () => {
    const batch = requestWriter("none", 10).batch([record("b".repeat(99))], 0, stamp, huge);
    expect(batch).toMatchObject({ written: 0, end: 1, refused: [{ index: 0 }] });
    expect(batch.bytes.length).toBe(0);
  });

  test("a record that ends just where the buffer does is whole, wherever that is", () => {
    const first = (1 << 19) - 61 - 200;
    for (let more = 0; more < 200; more++) {
      const writer = requestWriter("none", huge);
      const long = record(new Uint8Array(first + more));
      const short = record("v", { key: "ab", headers: [["h", "i"]] });
      const { bytes } = writer.batch([long, short, short], 0, stamp, huge);
      const { records } = readBatch(bytes);
      expect(records[1]).toMatchObject({ key: "ab", value: "v", headers: [["h", "i"]] });
      expect(records[2]).toMatchObject({ key: "ab", value: "v", headers: [["h", "i"]] });
    }
  });

  test("what is written around the batches stays in its place", () => {
    const writer = requestWriter("none", huge);
    writer.int16(7);
    writer.string("é");
    const at = writer.position();
    writer.int32(0);
    const { bytes } = writer.batch([record("x".repeat(1_000_000))], 0, stamp, huge);
    writer.patchInt32(at, bytes.length);
    const mark = writer.position();
    writer.int32(99);
    writer.rewind(mark);
    const whole = writer.bytes();
    expect([...whole.subarray(0, 6)]).toEqual([0, 7, 0, 2, 0xc3, 0xa9]);
    expect(whole.readInt32BE(6)).toBe(bytes.length);
    expect(readBatch(whole.subarray(10)).records).toHaveLength(1);
    writer.reset();
    expect(writer.bytes().length).toBe(0);
  });

  test("batches of one request stay whole when the buffer grows under them", () => {
    const writer = requestWriter("none", huge);
    const small = writer.batch([record("small")], 0, stamp, huge);
    writer.batch([record("x".repeat(3_000_000))], 0, stamp, huge);
    expect(readBatch(small.bytes).records[0]?.value).toBe("small");
  });

  test("a record whose time no number can hold is refused alone, whichever of them it is", () => {
    for (const timestamp of [2 ** 63, -(2 ** 63), 1.5, Number.NaN]) {
      for (const place of [0, 1, 2]) {
        const records = ["a", "b", "c"].map((value) => record(value));
        records[place] = record("odd", { timestamp });
        const writer = requestWriter("none", huge);
        const { refused, written } = writer.batch(records, 0, stamp, huge);
        expect(written).toBe(2);
        expect(refused.map(({ index, error }) => [index, error.code])).toEqual([
          [place, "KAFKA_RECORD_REJECTED"],
        ]);
        const found = readBatch(writer.bytes());
        expect(found.records.every((one) => one.timestamp === 1_700_000_000_000)).toBe(true);
      }
    }
  });
});
