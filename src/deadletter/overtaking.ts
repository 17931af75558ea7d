import { type Delivery, seqOf } from "../flow/delivery.ts";
import type { Packet } from "../flow/packet.ts";
import { keysOf } from "./packet-keys.ts";

/**
 * Knows of dead letters whether a newer packet of the same key has passed their node since. What it
 * does not know, of letters of an earlier process or beyond a limit, counts as overtaken.
 */
export type Overtaking = {
  /** A packet has become a dead letter of that node. */
  watch(id: number, node: string, delivery: Delivery, index: number): void;
  /** The node has dealt with `delivery.packets[from..to)`. */
  passed(node: string, delivery: Delivery, from: number, to: number): void;
  /** Whether order is lost when that letter is sent again now, or may be. */
  overtaken(id: number): boolean;
  /** The letter was sent again: it has passed its node itself, and is not watched any more. */
  redriven(id: number): void;
};

type Watched = {
  readonly id: number;
  readonly node: string;
  readonly lane: number;
  /** Its number in the partition: packets with a greater one are newer. */
  readonly seq: number;
  readonly keys: readonly string[] | undefined;
  overtaken: boolean;
};

/** Letters that are watched in all; the oldest is let go for a new one. */
const WATCHED_MAX = 1000;

export function createOvertaking(): Overtaking {
  const byId = new Map<number, Watched>();
  /** By node and lane, those that are not overtaken: only for them a key has to be looked at. */
  const open = new Map<string, Map<number, Set<Watched>>>();

  function openOf(node: string, lane: number): Set<Watched> | undefined {
    return open.get(node)?.get(lane);
  }

  function close(watched: Watched): void {
    const { node, lane } = watched;
    const set = openOf(node, lane);
    set?.delete(watched);
    if (set?.size === 0) open.get(node)?.delete(lane);
    if (open.get(node)?.size === 0) open.delete(node);
  }

  function overtake(all: Iterable<Watched>, seq: number, keys: readonly string[] | undefined) {
    for (const watched of [...all]) {
      if (seq <= watched.seq || !shareKey(watched.keys, keys)) continue;
      watched.overtaken = true;
      close(watched);
    }
  }

  return {
    watch(id, node, delivery, index) {
      const { lane, input } = delivery.partition;
      // What was refused once more on its way back is not in the lane of its partition.
      if (input === "redrive") return;
      const keys = keysOf(delivery.packets[index] as Packet);
      const seq = seqOf(delivery, index);
      const watched: Watched = { id, node, lane, seq, keys, overtaken: false };
      if (byId.size >= WATCHED_MAX) {
        for (const oldest of byId.values()) {
          byId.delete(oldest.id);
          close(oldest);
          break;
        }
      }
      byId.set(id, watched);
      const lanes = open.get(node) ?? new Map<number, Set<Watched>>();
      open.set(node, lanes.set(lane, (lanes.get(lane) ?? new Set()).add(watched)));
    },
    passed(node, delivery, from, to) {
      if (open.size === 0) return;
      for (let i = from; i < to; i++) {
        const waiting = openOf(node, delivery.partition.lane);
        if (!waiting) return;
        overtake(waiting, seqOf(delivery, i), keysOf(delivery.packets[i] as Packet));
      }
    },
    overtaken: (id) => byId.get(id)?.overtaken ?? true,
    redriven(id) {
      const watched = byId.get(id);
      if (!watched) return;
      byId.delete(id);
      close(watched);
      overtake(openOf(watched.node, watched.lane) ?? [], watched.seq, watched.keys);
    },
  };
}

/** What has no key of its own shares one with everything. */
function shareKey(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === undefined || b === undefined) return true;
  return a.some((key) => b.includes(key));
}
