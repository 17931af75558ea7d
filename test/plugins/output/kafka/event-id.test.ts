import { expect, test } from "bun:test";
import { createEventIds } from "#plugins/output/kafka/event-id.ts";
import type { Packet, Transaction } from "#src/flow/packet.ts";

const table = { db: "d", name: "t", columns: [], primaryKey: [] };

function row(txn: Transaction, ordinal: number, position: object): Packet {
  const change = { kind: "row", op: "I", table, txn, before: undefined, after: [] } as const;
  return {
    ident: "in",
    position,
    bytes: 1,
    payload: { ...change, ordinal, log: "b", pos: 4, ts: 0 },
  };
}

test("a row is named by its GTID and its place in the transaction", () => {
  const ids = createEventIds();
  const [one, two] = [
    { gtid: "3e11fa47:23", serverId: 1 },
    { gtid: "0-1-7", serverId: 1 },
  ];
  expect([row(one, 0, {}), row(one, 1, {}), row(two, 0, {}), row(one, 2, {})].map(ids)).toEqual([
    "3e11fa47:23:0",
    "3e11fa47:23:1",
    "0-1-7:0",
    "3e11fa47:23:2",
  ]);
});

test("without GTIDs by lineage, file and start of the transaction", () => {
  const ids = createEventIds();
  const txn = { gtid: undefined, serverId: 1 };
  const position = { toJSON: () => ({ lineage: "uuid", file: "b.1", pos: 157, rows: 3 }) };
  expect([row(txn, 2, position), row(txn, 3, {})].map(ids)).toEqual([
    "uuid:b.1:157:2",
    "uuid:b.1:157:3",
  ]);
});

test("anything else by its ident and position", () => {
  const ids = createEventIds();
  const payload = { kind: "text", text: "x" } as const;
  expect(ids({ ident: "mail", payload, position: 12, bytes: 1 })).toBe("mail:12");
  expect(ids({ ident: "k", payload, position: { o: 1 }, bytes: 1 })).toBe('k:{"o":1}');
});
