import { expect, test } from "bun:test";
import { createMemoryCheckpointStore } from "#src/checkpoint/memory-store.ts";
import { DELIVERED } from "#src/flow/outcome.ts";
import type { Packet } from "#src/flow/packet.ts";
import { createPartitionSet, type Forgetter } from "#src/flow/partition-set.ts";
import { codeOf } from "../support/code-of.ts";

/** A partition with three packets in flight, and sinks that keep positions. */
function partitionWith(sinks: readonly Forgetter[]) {
  const set = createPartitionSet({
    ...{ input: "in", resource: "r", window: { packets: 8, bytes: 1_000 }, epoch: 1 },
    ...{ nextLane: () => 1, now: () => 0, after: () => ({ cancel() {} }), sinks: () => sinks },
  });
  const { ledger } = set.get("0");
  const payload = { kind: "text", text: "" } as const;
  const packets = [1, 2, 3].map((position): Packet => {
    return { ident: "in", payload, position, bytes: 1 };
  });
  ledger.admit(packets, 0, 3);
  return { set, settle: () => ledger.settleRange(0, 3, DELIVERED) };
}

const key = { input: "in", resource: "r", partition: "0" };

test("a sink forgets a partition only once nothing of it is in flight", async () => {
  const told: string[] = [];
  const { set, settle } = partitionWith([async (name) => void told.push(name)]);
  const forgotten = set.forgotten("0");
  await Promise.resolve();
  expect(told).toEqual([]);
  settle();
  await forgotten;
  expect(told).toEqual(["0"]);
});

test("how far it was is stored before a sink forgets it, and where it goes on after", async () => {
  const store = createMemoryCheckpointStore();
  const at = async () => (await store.list(key)).map(({ position }) => position);
  const seen: string[][] = [];
  const { set, settle } = partitionWith([async () => void seen.push(await at())]);
  settle();
  await set.reposition(store, "0", 1);
  expect(seen).toEqual([["3"]]);
  expect(await at()).toEqual(["1"]);
});

test("a sink that cannot forget leaves the input where it was", async () => {
  const store = createMemoryCheckpointStore();
  const { set, settle } = partitionWith([() => Promise.reject(new Error("it is away"))]);
  settle();
  expect(await codeOf(set.reposition(store, "0", 1))).toBe("INTERNAL");
  expect((await store.list(key)).map(({ position }) => position)).toEqual(["3"]);
  expect(set.resume("0")).toBe(3);
});
