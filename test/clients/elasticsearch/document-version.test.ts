import { expect, test } from "bun:test";
import fc from "fast-check";
import { createByteSink, takeText } from "#src/byte-sink.ts";
import { versionWriter, wholeVersion } from "#src/clients/elasticsearch/document-version.ts";

test("a version in two parts is written as the digits of the whole, whatever was written before", () => {
  const unit = 2 ** 36;
  const upper = fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 2 ** 27 - 1 })).map((n) => n * unit);
  const lower = fc.oneof(
    fc.nat({ max: 3 }),
    fc.maxSafeInteger().map((n) => Math.abs(n) % 2 ** 40),
  );
  const edges = [0, 1e12 - 1, 1e12, 2 ** 40 - 1].flatMap((part) => [
    { upper: 0, lower: part },
    { upper: 15 * unit, lower: part },
    { upper: 2 ** 63 - 2 ** 40, lower: part },
  ]);
  const write = versionWriter();
  const digits = (version: { readonly upper: number; readonly lower: number }) => {
    const sink = createByteSink(1);
    write(sink, version);
    return takeText(sink);
  };
  for (const edge of edges) expect(digits(edge)).toBe(`${wholeVersion(edge)}`);
  fc.assert(
    fc.property(fc.record({ upper, lower }), (version) => {
      expect(digits(version)).toBe(`${BigInt(version.upper) + BigInt(version.lower)}`);
    }),
  );
});
