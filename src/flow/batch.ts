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
  /** Puts ranges behind all that waits. */
  append(ranges: readonly Range[]): void;
  /** Puts ranges before all that waits. */
  putBack(ranges: readonly Range[]): void;
  /** Whether `test` holds of one of the deliveries that wait. */
  some(test: (delivery: Delivery) => boolean): boolean;
  /** Whether what waits fills a batch. */
  isFull(limit: BatchLimit): boolean;
  /**
   * The next batch, of at least one packet; undefined when nothing waits. `share` says for a packet
   * how large a batch it may be in.
   */
  take(limit: BatchLimit, share?: Share): Batch | undefined;
};

/** What is left of a range. */
type Rest = { readonly delivery: Delivery; from: number; readonly to: number };

export function createBatchQueue(): BatchQueue {
  const queue: Deque<Rest> = createDeque();
  let packets = 0;
  let bytes = 0;

  function add(delivery: Delivery, from: number, to: number): void {
    queue.push({ delivery, from, to });
    packets += to - from;
    for (let i = from; i < to; i++) bytes += (delivery.packets[i] as Packet).bytes;
  }

  function append(ranges: readonly Range[]): void {
    for (const { delivery, from, to } of ranges) add(delivery, from, to);
  }

  return {
    get packets() {
      return packets;
    },
    get bytes() {
      return bytes;
    },
    push(delivery) {
      add(delivery, 0, delivery.packets.length);
    },
    append,
    putBack(ranges) {
      const behind = [...queue];
      queue.clear();
      append(ranges);
      for (const rest of behind) queue.push(rest);
    },
    some(test) {
      for (const { delivery } of queue) if (test(delivery)) return true;
      return false;
    },
    isFull: ({ countMax, bytesMax }) => packets >= countMax || bytes >= bytesMax,
    take({ countMax, bytesMax }, share) {
      let most = countMax;
      const ranges: Range[] = [];
      let count = 0;
      let size = 0;
      for (let rest = queue.peek(); rest; rest = queue.peek()) {
        const { delivery, from } = rest;
        let to = from;
        while (to < rest.to && count < most) {
          if (share) most = Math.min(most, share(delivery, to));
          if (count > 0 && count >= most) break;
          const next = (delivery.packets[to] as Packet).bytes;
          if (count > 0 && size + next > bytesMax) break;
          size += next;
          count++;
          to++;
        }
        if (to === rest.to) {
          // All that is left of it, so it is the range itself.
          ranges.push(rest);
          queue.shift();
          continue;
        }
        if (to > from) ranges.push({ delivery, from, to });
        rest.from = to;
        break;
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
  const packets: Packet[] = [];
  for (const { delivery, from, to } of ranges) {
    for (let i = from; i < to; i++) packets.push(delivery.packets[i] as Packet);
  }
  return { ranges, packets };
}

/** Calls `act` with each packet of a batch as a range of one. */
export function eachPacket(batch: Batch, act: (range: Range, index: number) => void): void {
  let index = 0;
  for (const { delivery, from, to } of batch.ranges) {
    for (let i = from; i < to; i++) act({ delivery, from: i, to: i + 1 }, index++);
  }
}
