import { createDeque, type Deque } from "../actor/deque.ts";
import type { Delivery } from "./delivery.ts";
import type { Packet } from "./packet.ts";

/** `delivery.packets[from..to)`. */
export type Range = { readonly delivery: Delivery; readonly from: number; readonly to: number };

/** What an output writes at once, and where its packets come from, in the same order. */
export type Batch = { readonly ranges: readonly Range[]; readonly packets: readonly Packet[] };

export type BatchLimit = { readonly countMax: number; readonly bytesMax: number };

export type Share = (delivery: Delivery, index: number) => number;

/** Deliveries that wait to be written, in the order in which they came. */
export type BatchQueue = {
  readonly packets: number;
  readonly bytes: number;
  push(delivery: Delivery): void;
  /** Whether what waits fills a batch. */
  isFull(limit: BatchLimit): boolean;
  /**
   * The next batch, of at least one packet; undefined when nothing waits. `share` says for a packet
   * how large a batch it may be in.
   */
  take(limit: BatchLimit, share?: Share): Batch | undefined;
};

export function createBatchQueue(): BatchQueue {
  const queue: Deque<Delivery> = createDeque();
  let packets = 0;
  let bytes = 0;
  return {
    get packets() {
      return packets;
    },
    get bytes() {
      return bytes;
    },
    push(delivery) {
      queue.push(delivery);
      packets += delivery.packets.length;
      for (const packet of delivery.packets) bytes += packet.bytes;
    },
    isFull: ({ countMax, bytesMax }) => packets >= countMax || bytes >= bytesMax,
    take({ countMax, bytesMax }, share) {
      let most = countMax;
      const ranges: Range[] = [];
      let count = 0;
      let size = 0;
      for (let delivery = queue.peek(); delivery; delivery = queue.peek()) {
        const from = delivery.taken;
        let to = from;
        while (to < delivery.packets.length && count < most) {
          if (share) most = Math.min(most, share(delivery, to));
          if (count > 0 && count >= most) break;
          const next = (delivery.packets[to] as Packet).bytes;
          if (count > 0 && size + next > bytesMax) break;
          size += next;
          count++;
          to++;
        }
        if (to > from) ranges.push({ delivery, from, to });
        delivery.taken = to;
        if (to < delivery.packets.length) break;
        queue.shift();
      }
      packets -= count;
      bytes -= size;
      return count === 0 ? undefined : batchOf(ranges);
    },
  };
}

export function batchOf(ranges: readonly Range[]): Batch {
  const [only] = ranges;
  if (ranges.length === 1 && only && only.from === 0 && only.to === only.delivery.packets.length) {
    return { ranges, packets: only.delivery.packets };
  }
  const packets = ranges.flatMap(({ delivery, from, to }) => delivery.packets.slice(from, to));
  return { ranges, packets };
}

/** Calls `act` with each packet of a batch as a range of one. */
export function eachPacket(batch: Batch, act: (range: Range, index: number) => void): void {
  let index = 0;
  for (const { delivery, from, to } of batch.ranges) {
    for (let i = from; i < to; i++) act({ delivery, from: i, to: i + 1 }, index++);
  }
}
