import { describe, expect, test } from "bun:test";
import { createAckLedger } from "#src/flow/ack-ledger.ts";
import type { Delivery, Settled } from "#src/flow/delivery.ts";
import { createEdge } from "#src/flow/edge.ts";
import { DELIVERED } from "#src/flow/outcome.ts";
import type { Partition } from "#src/flow/partition.ts";
import { packetOf } from "../support/packets.ts";

const packets = (count: number) => Array.from({ length: count }, (_, i) => packetOf("in", i + 1));

/** An edge with its receiver attached, and what the receiver got. */
function setUp(limit = { packets: 10, bytes: 1_000 }) {
  const ledger = createAckLedger({ window: { packets: 64, bytes: 1 << 20 }, onRoom() {} });
  const right = { fenced: false, mayEmit: () => true, onFenced() {} };
  const own = { lane: 1, input: "in", resource: "r", name: "0" };
  const partition: Partition = { ...own, ledger, right };
  const got: Delivery[] = [];
  const sender = { path: "sender", signal() {} };
  const receiver = {
    send: (_: number, delivery: Delivery) => void got.push(delivery),
    signal() {},
  };
  const edge = createEdge({ from: "a", to: "b", sender, receiver, limit });
  edge.attached(1);
  const settled = (delivery: Delivery, from: number, to: number) => {
    const message: Settled = { kind: "settled", delivery, from, to, outcome: DELIVERED };
    edge.settled(message);
  };
  return { edge, ledger, partition, got, settled };
}

describe("edge", () => {
  test("sends as much as there is credit for, and gets it back with the acks", () => {
    const { edge, ledger, partition, got, settled } = setUp();
    const sent = packets(20);
    ledger.admit(sent, 0, 20);
    expect(edge.fits(partition, sent, 0, 20)).toBe(10);
    edge.send(partition, sent.slice(0, 10), 0);
    expect(edge.creditLeft()).toBe(0);
    expect(edge.fits(partition, sent, 10, 20)).toBe(0);
    settled(got[0] as Delivery, 0, 4);
    expect(edge.fits(partition, sent, 10, 20)).toBe(4);
    expect(ledger.watermark()).toBe(4);
  });

  test("keeps what it is given before its receiver has attached, within its credit", () => {
    const { ledger, partition } = setUp();
    const got: Delivery[] = [];
    const sender = { path: "s", signal() {} };
    const receiver = {
      send: (_: number, delivery: Delivery) => void got.push(delivery),
      signal() {},
    };
    const limit = { packets: 10, bytes: 1_000 };
    const edge = createEdge({ from: "a", to: "b", sender, receiver, limit });
    ledger.admit(packets(8), 0, 8);
    edge.send(partition, packets(8), 0);
    expect(got).toEqual([]);
    expect(edge.fits(partition, packets(9), 0, 9)).toBe(2);
    edge.attached(1);
    expect(got.map((delivery) => delivery.packets.length)).toEqual([8]);
  });

  test("one that is made while its receiver runs sends at once, and the late news changes nothing", () => {
    const { ledger, partition } = setUp();
    const got: Delivery[] = [];
    const sender = { path: "s", signal() {} };
    const receiver = {
      send: (_: number, delivery: Delivery) => void got.push(delivery),
      signal() {},
    };
    const limit = { packets: 10, bytes: 1_000 };
    const edge = createEdge({ from: "a", to: "b", sender, receiver, limit, incarnation: 3 });
    ledger.admit(packets(8), 0, 8);
    edge.send(partition, packets(8), 0);
    edge.attached(3);
    expect(got.map(({ incarnation, packets: { length } }) => [incarnation, length])).toEqual([
      [3, 8],
    ]);
    expect(edge.unsettled()).toEqual(new Map([[partition, 8]]));
    edge.settled({
      kind: "settled",
      delivery: got[0] as Delivery,
      from: 0,
      to: 8,
      outcome: DELIVERED,
    });
    expect(edge.unsettled().size).toBe(0);
  });

  test("bytes bound it too, and a packet above the whole limit goes when nothing else is out", () => {
    const { edge, ledger, partition, got, settled } = setUp({ packets: 10, bytes: 250 });
    const big = { ...packetOf("in", 3), bytes: 9_999 };
    const sent = [...packets(2), big];
    ledger.admit(sent, 0, 3);
    expect(edge.fits(partition, sent, 0, 3)).toBe(2);
    edge.send(partition, sent.slice(0, 2), 0);
    expect(edge.fits(partition, sent, 2, 3)).toBe(0);
    settled(got[0] as Delivery, 0, 2);
    expect(edge.fits(partition, sent, 2, 3)).toBe(1);
    edge.send(partition, sent.slice(2), 2);
    expect(edge.creditLeft()).toBe(9);
    settled(got[1] as Delivery, 0, 1);
    expect(edge.creditLeft()).toBe(10);
  });

  test("an ack of what was acked on this edge throws (invariant 2)", () => {
    const { edge, ledger, partition, got, settled } = setUp();
    ledger.admit(packets(3), 0, 3);
    ledger.forkRange(0, 3, 1);
    edge.send(partition, packets(3), 0);
    const [delivery] = got as [Delivery];
    settled(delivery, 0, 1);
    expect(() => settled(delivery, 0, 1)).toThrow("settled twice");
    settled(delivery, 1, 3);
    expect(() => settled(delivery, 2, 3)).toThrow("settled twice");
  });

  test("a receiver that starts anew gets what it has not settled, in order, and nothing else", () => {
    const { edge, ledger, partition, got, settled } = setUp();
    const sent = packets(6);
    ledger.admit(sent, 0, 6);
    edge.send(partition, sent.slice(0, 4), 0);
    edge.send(partition, sent.slice(4), 4);
    settled(got[0] as Delivery, 1, 3);
    got.length = 0;
    edge.attached(2);
    expect(got.map(({ incarnation }) => incarnation)).toEqual([2, 2]);
    expect(got.flatMap((delivery) => delivery.packets.map(({ position }) => position))).toEqual([
      1, 4, 5, 6,
    ]);
    for (const delivery of [...got]) settled(delivery, 0, delivery.packets.length);
    expect(ledger.watermark()).toBe(6);
    expect(edge.creditLeft()).toBe(10);
  });

  test("what was put aside goes out as one delivery, with the numbers it was given", () => {
    const { edge, ledger, partition, got, settled } = setUp();
    const sent = packets(4);
    ledger.admit(sent, 0, 4);
    for (const seq of [0, 0, 2, 3]) ledger.fork(seq);
    edge.stage(partition, [sent[0]!, sent[0]!], 0, [0, 0]);
    edge.stage(partition, sent.slice(2), 2);
    expect(got).toEqual([]);
    edge.flush(partition);
    expect(got.map(({ seqs }) => seqs)).toEqual([[0, 0, 2, 3]]);
    ledger.settleRange(0, 4, DELIVERED);
    expect(ledger.watermark()).toBeUndefined();
    settled(got[0] as Delivery, 0, 4);
    expect(ledger.watermark()).toBe(4);
    expect(edge.creditLeft()).toBe(10);
  });

  test("credit of one partition says nothing about another", () => {
    const { edge, ledger, partition } = setUp();
    const other: Partition = { ...partition, lane: 2, name: "1" };
    ledger.admit(packets(10), 0, 10);
    edge.send(partition, packets(10), 0);
    expect(edge.fits(partition, packets(1), 0, 1)).toBe(0);
    expect(edge.fits(other, packets(1), 0, 1)).toBe(1);
  });
});
