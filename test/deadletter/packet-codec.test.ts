import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodePacket, encodePacket } from "#src/deadletter/packet-codec.ts";
import { JsonText, type Packet } from "#src/flow/packet.ts";
import { samplePackets, sampleRow } from "../support/sample-packets.ts";

test.each(samplePackets)("packet %# comes back as it was", (packet) => {
  const text = encodePacket(packet);
  expect(decodePacket(text)).toEqual(packet);
  expect(encodePacket(decodePacket(text))).toBe(text);
});

test("what is absent from a row image stays apart from NULL", () => {
  const packet = { ...samplePackets[0]!, payload: { ...sampleRow, after: [null, undefined, ""] } };
  const { payload } = decodePacket(encodePacket(packet));
  expect(payload).toEqual(packet.payload);
  expect(payload.kind === "row" && payload.after?.[0] === null).toBe(true);
  expect(payload.kind === "row" && payload.after?.[1] === undefined).toBe(true);
});

test("any value of a row comes back: numbers, bigints, bytes, JSON, text of any kind", () => {
  const value = fc.oneof(
    fc.double(),
    fc.bigInt(),
    fc.string({ unit: "binary" }),
    fc.string({ unit: "grapheme" }),
    fc.uint8Array(),
    fc.json().map((json) => new JsonText(json)),
    fc.constantFrom(null, undefined, "$", "__proto__", -0, Number.NaN, 2 ** 53, "\ud800"),
  );
  fc.assert(
    fc.property(fc.array(value), (after) => {
      const packet: Packet = { ...samplePackets[0]!, payload: { ...sampleRow, after } };
      expect(decodePacket(encodePacket(packet))).toEqual(packet);
    }),
  );
});

test("any JSON position comes back, keys like $ and __proto__ included", () => {
  const key = fc.oneof(fc.string(), fc.constantFrom("$", "__proto__", "constructor"));
  fc.assert(
    fc.property(fc.dictionary(key, fc.jsonValue()), (position) => {
      const packet: Packet = { ...samplePackets[0]!, position };
      const { position: back } = decodePacket(encodePacket(packet));
      expect(JSON.stringify(back)).toBe(JSON.stringify(position));
      expect(Object.getPrototypeOf(back)).toBe(Object.prototype);
    }),
  );
});

test("a position that writes itself is kept as what it writes", () => {
  const position = { toJSON: () => ({ file: "a", pos: 1 }) };
  const packet = { ...samplePackets[0]!, position };
  expect(decodePacket(encodePacket(packet)).position).toEqual({ file: "a", pos: 1 });
});

test.each(["", "null", "{}", "[]", '{"ident":"x"}', '{"ident":"x","payload":{"$":["?","1"]}}'])(
  "%p is no packet",
  (text) => {
    expect(() => decodePacket(text)).toThrow(expect.objectContaining({ code: "STATE_CORRUPT" }));
  },
);
