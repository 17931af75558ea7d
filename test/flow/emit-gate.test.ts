import { describe, expect, test } from "bun:test";
import type { Batch } from "#src/flow/batch.ts";
import { batchOf } from "#src/flow/batch.ts";
import type { Delivery, Settled } from "#src/flow/delivery.ts";
import { createEmitGate } from "#src/flow/emit-gate.ts";
import type { PartitionSet } from "#src/flow/partition-set.ts";
import { packetOf } from "../support/packets.ts";
import { partitionSetOf } from "../support/partition-of.ts";

const limit = { countMax: 4, bytesMax: 10_000 };

/** A resource, and deliveries of it as an output gets them. */
function source(name: string) {
  const set = partitionSetOf(name);
  const settled: Settled[] = [];
  const sender = { path: "s", signal: (message: unknown) => void settled.push(message as Settled) };
  let next = 1;
  const delivery = (count: number): Delivery => {
    const first = next;
    next += count;
    const packets = Array.from({ length: count }, (_, i) =>
      packetOf(name, first + i, `${name}${first + i}`),
    );
    const edge = { from: "f", to: "o", sender, lingers: () => false };
    const place = { edge, partition: set.get("0"), packets, first, seqs: undefined };
    const rest = { charged: 1, incarnation: 1, taken: 0, open: count, done: undefined };
    return { kind: "deliver", ...place, ...rest };
  };
  return { set, settled, delivery };
}

const whole = (...deliveries: Delivery[]): Batch =>
  batchOf(deliveries.map((delivery) => ({ delivery, from: 0, to: delivery.packets.length })));
const names = (batch: Batch | undefined) =>
  batch?.packets.map(({ ident, position }) => `${ident}${position}`);

function pause(set: PartitionSet): () => void {
  let may = false;
  set.mayEmit = () => may;
  return () => {
    may = true;
  };
}

describe("emit gate", () => {
  test("passes the very batch when all of it may go", () => {
    const gate = createEmitGate(() => false);
    const [a, b] = [source("a"), source("b")];
    const batch = whole(a.delivery(2), b.delivery(1));
    expect(gate.pass(batch, false)).toBe(batch);
    expect({ packets: gate.packets, ready: gate.ready, note: gate.note() }).toEqual({
      packets: 0,
      ready: false,
      note: undefined,
    });
  });

  test("holds one resource in order, and lets the others by", () => {
    const gate = createEmitGate(() => false);
    const [a, b] = [source("a"), source("b")];
    const goOn = pause(a.set);
    expect(names(gate.pass(whole(a.delivery(2), b.delivery(1)), false))).toEqual(["b1"]);
    expect(gate.pass(whole(a.delivery(3)), false)).toBeUndefined();
    expect(gate.note()).toStartWith("holding 5 packets of a.r:");
    expect(gate.take(limit)).toBeUndefined();
    goOn();
    expect(gate.ready).toBe(true);
    // What is new stands behind what is held, though it might go now.
    expect(names(gate.pass(whole(a.delivery(1), b.delivery(1)), false))).toEqual(["b2"]);
    expect(names(gate.take(limit))).toEqual(["a1", "a2", "a3", "a4"]);
    expect(names(gate.take(limit))).toEqual(["a5", "a6"]);
    expect(gate.packets).toBe(0);
    expect(a.settled).toEqual([]);
  });

  test("puts what was taken of it and may not go after all before the rest", () => {
    const gate = createEmitGate(() => false);
    const a = source("a");
    let goOn = pause(a.set);
    gate.pass(whole(a.delivery(6)), false);
    goOn();
    const taken = gate.take(limit) as Batch;
    goOn = pause(a.set);
    expect(gate.pass(taken, true)).toBeUndefined();
    goOn();
    expect(names(gate.take({ ...limit, countMax: 9 }))).toEqual([
      ...["a1", "a2", "a3", "a4", "a5", "a6"],
    ]);
  });

  test("asks once for each resource: an answer that changes on the way lets nothing overtake", () => {
    const gate = createEmitGate(() => false);
    const [a, b] = [source("a"), source("b")];
    let asked = 0;
    a.set.mayEmit = () => ++asked > 2;
    const batch = whole(a.delivery(1), b.delivery(1), a.delivery(1));
    expect(names(gate.pass(batch, false))).toEqual(["b1"]);
  });

  test("drops what is fenced, out of a batch and out of what it holds", () => {
    const gate = createEmitGate(() => false);
    const [a, b] = [source("a"), source("b")];
    pause(a.set);
    gate.pass(whole(a.delivery(2)), false);
    a.set.fence();
    const batch = whole(a.delivery(1), b.delivery(2));
    expect(names(gate.pass(batch, true))).toEqual(["b1", "b2"]);
    expect(gate.ready).toBe(true);
    const left = gate.take(limit) as Batch;
    expect(gate.pass(left, true)).toBeUndefined();
    expect(gate.packets).toBe(0);
    expect(a.settled.map(({ from, to }) => to - from)).toEqual([1, 2]);
    expect(gate.unfenced(batch)?.packets).toHaveLength(2);
    expect(gate.unfenced(whole(a.delivery(1)))).toBeUndefined();
    const clean = whole(b.delivery(1));
    expect(gate.unfenced(clean)).toBe(clean);
  });

  test("asks nobody where the sink fences by itself, but drops what is fenced", () => {
    const gate = createEmitGate(() => true);
    const a = source("a");
    pause(a.set);
    const batch = whole(a.delivery(2));
    expect(gate.pass(batch, false)).toBe(batch);
    a.set.fence();
    expect(gate.pass(batch, false)).toBeUndefined();
  });
});
