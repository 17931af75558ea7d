import { describe, expect, test } from "bun:test";
import { crc32c } from "#src/clients/kafka/crc32c.ts";
import { murmur2 } from "#src/clients/kafka/murmur2.ts";
import { partitionOf } from "#src/clients/kafka/partitioner.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("partitioner", () => {
  // The vectors of the Java client's own UtilsTest.testMurmur2.
  test.each([
    ["21", -973932308],
    ["foobar", -790332482],
    ["a-little-bit-long-string", -985981536],
    ["a-little-bit-longer-string", -1486304829],
    ["lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971],
    ["abc", 479470107],
  ])("murmur2 of %s is what the Java client computes", (text, hash) => {
    expect(murmur2(bytes(text))).toBe(hash);
  });

  // Computed by kafka-clients 4.1: bytes above 127, which Java counts as below zero, and every rest.
  test.each(
    [
      ...[275646681, 373152667, -1804536790, 426145424, -1421599671],
      ...[202743144, 756899215, 1043920892, 2094840879, 1386363270],
    ].map((hash, length) => [length, hash] as const),
  )(
    "murmur2 of %d bytes, on both sides of 127, is what the Java client computes",
    (length, hash) => {
      expect(murmur2(Uint8Array.from({ length }, (_, i) => 128 + 37 * i + length))).toBe(hash);
    },
  );

  test("text and bytes of one key go to the same partition, however long", () => {
    for (const key of ["", "é", '{"id":1}', "x".repeat(5000)]) {
      for (const partitions of [1, 3, 1000]) {
        const partition = partitionOf(key, partitions);
        expect(partition).toBe(partitionOf(bytes(key), partitions));
        expect(partition).toBe((murmur2(bytes(key)) & 0x7fffffff) % partitions);
      }
    }
  });
});

describe("crc32c", () => {
  // RFC 3720, B.4, and the usual check value.
  test.each([
    [bytes("123456789"), 0xe3069283],
    [new Uint8Array(32), 0x8a9136aa],
    [new Uint8Array(32).fill(255), 0x62a8ab43],
    [Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ])("of the vectors of RFC 3720", (input, crc) => {
    expect(crc32c(input, 0, input.length)).toBe(crc);
  });

  test("counts only what lies between start and end", () => {
    expect(crc32c(bytes("xx123456789y"), 2, 11)).toBe(0xe3069283);
  });
});
