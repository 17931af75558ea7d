import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodePacket, encodePacket } from "#src/deadletter/packet-codec.ts";
import { JsonText, type Packet } from "#src/flow/packet.ts";

const value = fc.oneof(
  fc.bigInt(),
  fc.double(),
  fc.string({ unit: "binary" }),
  fc.uint8Array(),
  fc.json().map((text) => new JsonText(text)),
  fc.constant(null),
  fc.constant(undefined),
);

test("a packet comes back from its text as it was, whatever its row holds", () => {
  fc.assert(
    fc.property(fc.array(value), fc.string(), fc.jsonValue(), (row, ident, position) => {
      const columns = row.map((_, i) => ({
        name: `$bytes${i}`,
        kind: "text" as const,
        type: "text",
        nullable: true,
      }));
      const packet: Packet = {
        ident,
        position: { position },
        bytes: 7,
        payload: {
          kind: "row",
          op: "I",
          table: { db: "d", name: "t", columns, primaryKey: [0] },
          before: undefined,
          after: row,
          txn: { gtid: undefined, serverId: 1 },
          ordinal: 0,
          log: "binlog.1",
          pos: 4,
          ts: 1,
        },
      };
      expect(decodePacket(encodePacket(packet))).toEqual(packet);
    }),
  );
});

test("data that looks like a mark of the codec is not taken for one", () => {
  const position = { $bigint: "not a number" };
  const packet: Packet = {
    ident: "a",
    position,
    bytes: 1,
    payload: { kind: "text", text: "$bytes" },
  };
  expect(decodePacket(encodePacket(packet))).toEqual(packet);
});

test("a text that it did not write is refused with a code", () => {
  expect(() => decodePacket("{nonsense")).toThrow();
  expect(() => decodePacket('{"$bigint":"x"}')).toThrow();
});
