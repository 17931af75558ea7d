import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  createFrameReader,
  createJuteReader,
  createJuteWriter,
} from "#src/clients/zookeeper/jute.ts";

const record = fc.record({
  int: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  long: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  bool: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 2_000 }),
  text: fc.string({ maxLength: 300, unit: "grapheme" }),
  list: fc.array(fc.string({ maxLength: 20 }), { maxLength: 50 }),
});
type Sample = typeof record extends fc.Arbitrary<infer T> ? T : never;

function frameOf({ int, long, bool, bytes, text, list }: Sample): Buffer {
  const out = createJuteWriter().int(int).long(long).bool(bool).bytes(bytes).text(text);
  return out.list(list, (item) => out.text(item)).frame();
}

function sampleOf(frame: Buffer): Sample {
  const from = createJuteReader(frame);
  const head = { int: from.int(), long: from.long(), bool: from.bool() };
  const rest = { bytes: new Uint8Array(from.bytes()), text: from.text() };
  return { ...head, ...rest, list: from.list(from.text) };
}

test("what is written is read again, in frames that are cut anywhere", () => {
  fc.assert(
    fc.property(
      fc.array(record, { maxLength: 4 }),
      fc.integer({ min: 1, max: 700 }),
      (all, cut) => {
        const stream = Buffer.concat(all.map(frameOf));
        const next = createFrameReader(1 << 20);
        const frames: Buffer[] = [];
        for (let at = 0; at < stream.length; at += cut) {
          frames.push(...next(stream.subarray(at, at + cut)));
        }
        expect(frames.map(sampleOf)).toEqual(all);
      },
    ),
    { numRuns: 300 },
  );
});

test("S18: a length that cannot be is refused before anything of its size is made", () => {
  const protocol = expect.objectContaining({ code: "ZOOKEEPER_PROTOCOL" });
  const codeOf = (work: () => unknown) => {
    try {
      return work();
    } catch (error) {
      return error;
    }
  };
  for (const length of [0x7fffffff, -1, -2147483648, 1025]) {
    const head = createJuteWriter().int(length).frame().subarray(4);
    expect(codeOf(() => createFrameReader(1024)(head))).toEqual(protocol);
  }
  for (const length of [0x7fffffff, -2, 5]) {
    const body = createJuteWriter().int(length).int(0).frame().subarray(4);
    expect(codeOf(() => createJuteReader(body).bytes())).toEqual(protocol);
    expect(codeOf(() => createJuteReader(body).text())).toEqual(protocol);
    const reader = createJuteReader(body);
    expect(codeOf(() => reader.list(reader.text))).toEqual(protocol);
  }
});

test("a record that ends anywhere is refused", () => {
  const sample: Sample = {
    ...{ int: 1, long: 2n, bool: true, bytes: new Uint8Array([1, 2, 3]) },
    ...{ text: "abc", list: ["x", "yz"] },
  };
  const whole = frameOf(sample).subarray(4);
  expect(sampleOf(whole)).toEqual(sample);
  for (let length = 0; length < whole.length; length++) {
    expect(() => sampleOf(whole.subarray(0, length))).toThrow("ends too early");
  }
});
