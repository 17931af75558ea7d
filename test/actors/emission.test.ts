import { expect, test } from "bun:test";
import { fencesOf } from "#actors/emission.ts";
import { type Batch, batchOf } from "#src/flow/batch.ts";
import type { Delivery } from "#src/flow/delivery.ts";
import { packetOf } from "../support/packets.ts";
import { partitionSetOf } from "../support/partition-of.ts";

function deliveryUnder(fence: number | undefined, count: number): Delivery {
  const packets = Array.from({ length: count }, (_, i) => packetOf("in", i + 1));
  const edge = { from: "f", to: "o", sender: { path: "s", signal() {} }, lingers: () => false };
  const { get } = partitionSetOf("in", fence === undefined ? {} : { fence });
  const place = { edge, partition: get("0"), packets, first: 0, seqs: undefined };
  const rest = { charged: 1, incarnation: 1, taken: 0, open: count, done: undefined };
  return { kind: "deliver", ...place, ...rest };
}

test("an output learns of each packet of its batch under which fence it was read", () => {
  const [a, b, none] = [deliveryUnder(3, 4), deliveryUnder(8, 1), deliveryUnder(undefined, 2)];
  let atHand: Batch | undefined;
  const fenceAt = fencesOf(() => atHand);
  expect(fenceAt(0)).toBeUndefined();
  atHand = batchOf([
    { delivery: a, from: 1, to: 3 },
    { delivery: none, from: 0, to: 2 },
    { delivery: b, from: 0, to: 1 },
    { delivery: a, from: 3, to: 4 },
  ]);
  const all = (batch: Batch) => batch.packets.map((_, i) => fenceAt(i));
  expect(all(atHand)).toEqual([3, 3, undefined, undefined, 8, 3]);
  atHand = batchOf([{ delivery: b, from: 0, to: 1 }]);
  expect(all(atHand)).toEqual([8]);
  atHand = batchOf([{ delivery: none, from: 0, to: 2 }]);
  expect(all(atHand)).toEqual([undefined, undefined]);
});
