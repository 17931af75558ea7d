import { expect, test } from "bun:test";
import fc from "fast-check";
import { createByteSink, putByte, putBytes, putInt, putText, takeText } from "#src/byte-sink.ts";

test("what is put comes out, one behind the other, however often the buffer grows", () => {
  const part = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.string({ unit: "binary", maxLength: 200 }).map((text) => text.toWellFormed()),
    fc.integer({ min: 0, max: 70 }).map((length) => "x".repeat(length)),
    fc.maxSafeInteger(),
    fc.nat(),
    fc.uint8Array({ max: 127 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), (parts) => {
      const sink = createByteSink(1);
      for (const one of parts) {
        if (typeof one === "string") putText(sink, one);
        else if (typeof one === "number") putInt(sink, one);
        else putBytes(sink, one);
        putByte(sink, 10);
      }
      const texts = parts.map((one) => {
        return `${one instanceof Uint8Array ? Buffer.from(one).toString() : one}\n`;
      });
      expect(takeText(sink)).toBe(texts.join(""));
      expect(sink.at).toBe(0);
    }),
  );
});

test("whole numbers at the edges of a digit are written whole", () => {
  const numbers = [0, 9, 10, 99, 100, 999_999_999, 1_000_000_000, -1, 2 ** 53 - 1, -(2 ** 53) + 1];
  const sink = createByteSink(1);
  for (const number of numbers) {
    putInt(sink, number);
    expect(takeText(sink)).toBe(`${number}`);
  }
});

test("a huge text does not hold its memory", () => {
  const sink = createByteSink(16);
  putText(sink, "x".repeat(5_000_000));
  expect(takeText(sink)).toHaveLength(5_000_000);
  expect(sink.buffer.length).toBeLessThan(1 << 20);
});
