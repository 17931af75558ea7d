import { assert } from "../assert.ts";
import { type Delivery, seqOf } from "./delivery.ts";
import type { Packet } from "./packet.ts";

/** Invariant 2: what was settled on an edge, or was sent again since, cannot be settled on it. */
export function markSettled(delivery: Delivery, begin: number, end: number): void {
  if (end - begin < delivery.packets.length) {
    delivery.done ??= new Uint8Array(delivery.packets.length);
    for (let i = begin; i < end; i++) {
      assert(delivery.done[i] === 0, "a packet was settled twice on one edge");
      delivery.done[i] = 1;
    }
  }
  delivery.open -= end - begin;
  assert(delivery.open >= 0, "a packet was settled twice on one edge");
}

/** Whether the packet of that number is in it and not settled. */
export function keeps(delivery: Delivery, seq: number): boolean {
  if (delivery.open === 0) return false;
  return delivery.packets.some((_, i) => seqOf(delivery, i) === seq && !delivery.done?.[i]);
}

/** What is left of a delivery, as packets with their sequence numbers; nothing is left of it then. */
export function rest(delivery: Delivery): [Packet[], number[]] {
  const packets: Packet[] = [];
  const seqs: number[] = [];
  for (let i = 0; i < delivery.packets.length; i++) {
    if (delivery.done?.[i]) continue;
    packets.push(delivery.packets[i] as Packet);
    seqs.push(seqOf(delivery, i));
  }
  delivery.open = 0;
  return [packets, seqs];
}
