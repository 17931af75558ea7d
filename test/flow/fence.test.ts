import { describe, expect, test } from "bun:test";
import { createAdmission } from "#src/flow/admission.ts";
import type { Delivery, Settled } from "#src/flow/delivery.ts";
import { createEdge } from "#src/flow/edge.ts";
import { createInputStats } from "#src/flow/node-stats.ts";
import { DELIVERED } from "#src/flow/outcome.ts";
import { memoryState } from "#src/state/memory-state.ts";
import { packetOf } from "../support/packets.ts";
import { partitionSetOf } from "../support/partition-of.ts";

const packets = (count: number) => Array.from({ length: count }, (_, i) => packetOf("in", i + 1));
const limit = { packets: 10, bytes: 10_000 };

/** A resource whose admission feeds one edge; what its receiver got, and was told. */
function setUp() {
  const set = partitionSetOf();
  const got: Delivery[] = [];
  const told: string[] = [];
  const sender = { path: "sender", signal() {} };
  const receiver = {
    send: (_: number, delivery: Delivery) => void got.push(delivery),
    signal: ({ kind }: { kind: string }) => void told.push(kind),
  };
  const edge = createEdge({ from: "a", to: "b", sender, receiver, limit: set.window });
  edge.attached(1);
  const stats = createInputStats();
  const admission = createAdmission({
    partitions: set,
    edge,
    stats,
    onRoom: () => admission.pump(),
  });
  const { signal } = new AbortController();
  const run = admission.begin(signal);
  const settled = (delivery: Delivery, from: number, to: number) => {
    const message: Settled = { kind: "settled", delivery, from, to, outcome: DELIVERED };
    edge.settled(message);
  };
  return { set, edge, admission, run, got, told, settled, stats };
}

describe("a fence", () => {
  test("settles in the same turn what is in flight, and leaves the watermark where it was", async () => {
    const { set, edge, run, got, told, settled } = setUp();
    run.batch(packets(10), "0");
    settled(got[0] as Delivery, 0, 3);
    settled(got[0] as Delivery, 5, 6);
    expect(set.dirty()).toEqual([{ name: "0", position: 3 }]);
    set.fence();
    expect({ inFlight: set.inFlight, bytes: set.inFlightBytes }).toEqual({ inFlight: 0, bytes: 0 });
    expect(await set.drained(0)).toBe(true);
    expect(set.dirty()).toEqual([]);
    expect(set.get("0").ledger.watermark()).toBe(3);
    expect(edge.unsettled().size).toBe(0);
    expect(edge.creditLeft()).toBe(set.window.packets);
    expect(told).toEqual(["emission"]);
  });

  test("makes a late ack of a receiver count for nothing, and harm nothing", () => {
    const { set, edge, run, got, settled } = setUp();
    run.batch(packets(10), "0");
    set.fence();
    settled(got[0] as Delivery, 0, 10);
    settled(got[0] as Delivery, 2, 4);
    edge.attached(2);
    expect(got).toHaveLength(1);
    expect(set.get("0").ledger.watermark()).toBeUndefined();
    expect(set.get("0").ledger.inFlight).toBe(0);
  });

  test("lets whatever a sender still had at hand be settled by whoever gets it", () => {
    const { set, edge, run, got, settled } = setUp();
    run.batch(packets(4), "0");
    const partition = set.get("0");
    edge.stage(partition, packets(1), 1);
    set.fence();
    partition.ledger.forkRange(0, 2, 1);
    edge.send(partition, packets(2), 0);
    edge.flush(partition);
    expect(edge.unsettled().get(partition)).toBe(2);
    settled(got.at(-1) as Delivery, 0, 2);
    expect(edge.unsettled().size).toBe(0);
    expect(set.inFlight).toBe(0);
  });

  test("rejects what waits to be admitted, what comes later, and whoever waits for its packets", async () => {
    const { set, admission, run, got, stats } = setUp();
    const delivered = run.deliver(packets(64), "0");
    const waiting = run.batch(packets(5), "0");
    set.fence();
    const fenced = { code: "STALE_EPOCH" };
    await expect(delivered).rejects.toMatchObject(fenced);
    await expect(waiting as Promise<void>).rejects.toMatchObject(fenced);
    await expect(run.batch(packets(1), "0") as Promise<void>).rejects.toMatchObject(fenced);
    await expect(run.batch(packets(1), "new") as Promise<void>).rejects.toMatchObject(fenced);
    expect(admission.hasCredit(1, 1)).toBe(false);
    run.idle(99, "0");
    expect(set.get("0").ledger.watermark()).toBeUndefined();
    expect({ deliveries: got.length, admitted: stats.packets }).toEqual({
      deliveries: 1,
      admitted: 64,
    });
  });

  test("ends a run for good: what it still hands over is nobody's under the next right", async () => {
    const { set, run, admission, edge } = setUp();
    run.one(packetOf("in", 1), "0");
    let fenced = true;
    // As one that is given its right anew.
    Object.defineProperty(set, "fenced", { get: () => fenced });
    set.fence();
    fenced = false;
    await expect(run.batch(packets(1), "0") as Promise<void>).rejects.toMatchObject({
      code: "STALE_EPOCH",
    });
    await expect(run.one(packetOf("in", 1), "0") as Promise<void>).rejects.toMatchObject({
      code: "STALE_EPOCH",
    });
    await expect(run.deliver(packets(1), "0")).rejects.toMatchObject({ code: "STALE_EPOCH" });
    await Promise.resolve();
    expect(edge.unsettled().size).toBe(0);
    expect(admission.hasCredit(1, 1)).toBe(true);
  });

  test("keeps a position from being written under a right that is gone", async () => {
    const { set } = setUp();
    const { checkpoints } = memoryState();
    set.fence();
    const moved = set.reposition(checkpoints, "0", 7);
    await expect(moved).rejects.toMatchObject({ code: "STALE_EPOCH" });
    expect(await checkpoints.list()).toEqual([]);
  });

  test("is of one resource: what others have on the same edge stays", () => {
    const { set, edge, run } = setUp();
    run.batch(packets(3), "0");
    const other = partitionSetOf("other");
    const partition = other.get("0");
    partition.ledger.admit(packets(2), 0, 2);
    edge.send(partition, packets(2), 0);
    set.fence();
    expect(edge.unsettled()).toEqual(new Map([[partition, 2]]));
    expect(other.inFlight).toBe(2);
  });

  test("is forgotten by the edges: one that comes back again and again does not fill the memory", () => {
    const { set, edge, run, got, settled } = setUp();
    run.batch(packets(3), "0");
    const partition = set.get("0");
    const before = edge.credit(partition);
    set.fence();
    settled(got[0] as Delivery, 0, 3);
    expect(edge.credit(partition)).not.toBe(before);
  });

  test("has nothing of the partition left on an edge that is made anew under its name", () => {
    const { set, run } = setUp();
    run.batch(packets(2), "0");
    const told: string[] = [];
    const sender = { path: "s", signal() {} };
    const receiver = { send() {}, signal: ({ kind }: { kind: string }) => void told.push(kind) };
    const anew = createEdge({ from: "a", to: "c", sender, receiver, limit, incarnation: 1 });
    const partition = set.get("0");
    partition.ledger.forkRange(0, 2, 1);
    anew.send(partition, packets(2), 0);
    set.fence();
    expect(told).toEqual(["emission"]);
    expect(set.inFlight).toBe(0);
    expect(anew.unsettled().size).toBe(0);
  });
});

test("time in which a resource may not emit does not make its oldest packet a stuck one", () => {
  const set = partitionSetOf();
  set.get("0").ledger.admit(packets(1), 0, 1);
  let may = false;
  set.mayEmit = () => may;
  expect(set.heads()).toMatchObject([{ seq: 0, heldMs: 0 }]);
  const until = performance.now() + 5;
  while (performance.now() < until);
  expect(set.heads()).toMatchObject([{ seq: 0, heldMs: 0 }]);
  may = true;
  expect(set.heads()[0]?.heldMs).toBeLessThan(5);
});
