import { expect, test } from "bun:test";
import fc from "fast-check";
import { createLineSplitter, type RawLine } from "#plugins/input/stream/line-splitter.ts";

/** Feeds `bytes` in pieces of `sizes` in turn, into memory that is used again for each. */
function split(bytes: Buffer, sizes: readonly number[], bytesMax: number): RawLine[] {
  const splitter = createLineSplitter(bytesMax);
  const lines: RawLine[] = [];
  const memory = Buffer.alloc(bytes.length);
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = Math.min(sizes[n % sizes.length] ?? 1, bytes.length - at);
    bytes.copy(memory, 0, at, at + size);
    for (const line of splitter.push(memory.subarray(0, size))) {
      lines.push({ ...line, bytes: Buffer.from(line.bytes) });
    }
    memory.fill(0);
    at += size;
  }
  const last = splitter.end();
  return last ? [...lines, last] : lines;
}
const texts = (lines: readonly RawLine[]) => lines.map(({ bytes }) => bytes.toString());

test("lines end with LF or CR LF, a CR alone is no line end", () => {
  expect(texts(split(Buffer.from("a\nb\r\n\n\r\nc\rd\ne"), [100], 10))).toEqual([
    "a",
    "b",
    "",
    "",
    "c\rd",
    "e",
  ]);
});

test("a line as long as the limit is whole, one byte more comes in parts", () => {
  const lines = split(Buffer.from("12345\n12345\r\n123456\n1234567890\n12345678901\nx"), [3], 5);
  expect(lines.map(({ bytes, part, last }) => [bytes.toString(), part, last])).toEqual([
    ["12345", 0, true],
    ["12345", 0, true],
    ["12345", 1, false],
    ["6", 2, true],
    ["12345", 1, false],
    ["67890", 2, true],
    ["12345", 1, false],
    ["67890", 2, false],
    ["1", 3, true],
    ["x", 0, true],
  ]);
});

test("however a stream is cut up, no byte is lost and every cut gives the same lines", () => {
  const byte = fc.constantFrom(10, 13, 97, 98, 0xc3);
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
  fc.assert(
    fc.property(fc.array(byte), sizes, fc.integer({ min: 1, max: 8 }), (bytes, cuts, bytesMax) => {
      const all = Buffer.from(bytes);
      const lines = split(all, cuts, bytesMax);
      expect(lines.reduce((sum, { size }) => sum + size, 0)).toBe(all.length);
      for (const line of lines) expect(line.bytes.length).toBeLessThanOrEqual(bytesMax + 1);
      const joined: string[] = [];
      let open = "";
      for (const { bytes: part, last } of lines) {
        open += part.toString("latin1");
        if (last) joined.push(open);
        if (last) open = "";
      }
      const expected = all.toString("latin1").split("\n");
      const rest = expected.pop() ?? "";
      const ended = expected.map((line) => line.replace(/\r$/, ""));
      expect(joined).toEqual(rest === "" ? ended : [...ended, rest]);
    }),
    { numRuns: 500 },
  );
});

test("a line that comes byte by byte is put together in linear time", () => {
  const splitter = createLineSplitter(1 << 20);
  const byte = Buffer.from("x");
  for (let n = 0; n < 1 << 20; n++) splitter.push(byte);
  expect(splitter.push(Buffer.from("\n"))[0]?.bytes.length).toBe(1 << 20);
});
