import { expect, test } from "bun:test";
import { wireReader } from "#src/clients/kafka/wire/wire-reader.ts";
import { wireWriter } from "#src/clients/kafka/wire/wire-writer.ts";
import { codeOfCall } from "../../support/code-of.ts";

const exactMax = 2n ** 53n - 1n;

test("numbers of 64 bits are read exactly", () => {
  const reader = wireReader(wireWriter().int64(exactMax).int64(-exactMax).int64(-1).done());
  expect([reader.int64(), reader.int64(), reader.int64()]).toEqual([
    Number(exactMax),
    -Number(exactMax),
    -1,
  ]);
});

test.each([exactMax + 1n, -exactMax - 1n, 0x2020_2020_2020_2020n, 2n ** 63n - 1n, -(2n ** 63n)])(
  "%p is refused as an offset: it would be rounded to another one",
  (value) => {
    const bytes = wireWriter().int64(value).done();
    expect(codeOfCall(() => wireReader(bytes).int64())).toBe("KAFKA_REQUEST_FAILED");
    expect(wireReader(bytes).bigInt64()).toBe(value);
  },
);
