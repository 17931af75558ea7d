import type { Range, Share } from "./batch.ts";
import {
  type Batch,
  type BatchLimit,
  type BatchQueue,
  batchOf,
  createBatchQueue,
} from "./batch.ts";
import { settle } from "./delivery.ts";
import { DELIVERED } from "./outcome.ts";
import type { EmitRight, Partition } from "./partition.ts";

/**
 * Stands between an output's batches and its sink: what is fenced is dropped, what may not go out
 * now is held, partition by partition and in order, and the rest passes.
 */
export type EmitGate = {
  /** How many packets are held. */
  readonly packets: number;
  /** Whether something that is held may go now, or is to be dropped. */
  readonly ready: boolean;
  /**
   * What of a batch may be written at this moment: write it in the same turn. All of it is the
   * batch itself, nothing of it undefined. `older` says that it was taken before all that is held.
   */
  pass(batch: Batch, older: boolean): Batch | undefined;
  /** The batch without what is fenced; the batch itself, or undefined, as of `pass`. */
  unfenced(batch: Batch): Batch | undefined;
  /** The next batch of what was held and may go now. */
  take(limit: BatchLimit, share?: Share): Batch | undefined;
  /** What is held and why, for people; undefined when nothing is. */
  note(): string | undefined;
};

type Held = { readonly partition: Partition; readonly queue: BatchQueue };

/** `unasked` says that the sink itself refuses whoever lost its right: only a fence stops those. */
export function createEmitGate(unasked: () => boolean): EmitGate {
  /** By lane; whoever is in it has at least one packet. */
  const lanes = new Map<number, Held>();

  const free = (right: EmitRight) => !right.fenced && (unasked() || right.mayEmit());

  function passes(batch: Batch): boolean {
    let last: EmitRight | undefined;
    for (const { delivery } of batch.ranges) {
      const { right } = delivery.partition;
      if (right !== last && !free(right)) return false;
      last = right;
    }
    return true;
  }

  function hold(ranges: readonly Range[], older: boolean): void {
    const byLane = Map.groupBy(ranges, ({ delivery }) => delivery.partition.lane);
    for (const [lane, own] of byLane) {
      const partition = (own[0] as Range).delivery.partition;
      const held = lanes.get(lane) ?? { partition, queue: createBatchQueue() };
      lanes.set(lane, held);
      if (older) held.queue.putBack(own);
      else held.queue.append(own);
    }
  }

  return {
    get packets() {
      let packets = 0;
      // Asked several times for each batch, and nearly always without anything held.
      if (lanes.size === 0) return packets;
      for (const { queue } of lanes.values()) packets += queue.packets;
      return packets;
    },
    get ready() {
      if (lanes.size === 0) return false;
      for (const { partition } of lanes.values()) {
        if (partition.right.fenced || free(partition.right)) return true;
      }
      return false;
    },
    pass(batch, older) {
      if (lanes.size === 0 && passes(batch)) return batch;
      // Asked once for each: an answer that changes on the way must not let a packet overtake.
      const answers = new Map<EmitRight, boolean>();
      const going: Range[] = [];
      const staying: Range[] = [];
      for (const range of batch.ranges) {
        const { right, lane } = range.delivery.partition;
        if (right.fenced) drop(range);
        else {
          const may = answers.get(right) ?? free(right);
          answers.set(right, may);
          const stays = !may || (!older && lanes.has(lane));
          (stays ? staying : going).push(range);
        }
      }
      hold(staying, older);
      return shrunk(batch, going);
    },
    unfenced(batch) {
      const fenced = batch.ranges.filter(({ delivery }) => delivery.partition.right.fenced);
      for (const range of fenced) drop(range);
      return shrunk(
        batch,
        batch.ranges.filter((range) => !fenced.includes(range)),
      );
    },
    take(limit, share) {
      for (const [lane, { partition, queue }] of lanes) {
        const { fenced } = partition.right;
        if (!fenced && !free(partition.right)) continue;
        const batch = queue.take(limit, share);
        if (queue.packets === 0) lanes.delete(lane);
        return batch;
      }
      return undefined;
    },
    note() {
      if (lanes.size === 0) return undefined;
      const names = new Set<string>();
      let packets = 0;
      for (const { partition, queue } of lanes.values()) {
        names.add(`${partition.input}.${partition.resource}`);
        packets += queue.packets;
      }
      const [first] = names;
      const whose = names.size === 1 ? first : `${first} and ${names.size - 1} more`;
      return `holding ${packets} packets of ${whose}: whether they are still owned is in doubt`;
    },
  };
}

function drop({ delivery, from, to }: Range): void {
  settle(delivery, from, to, DELIVERED);
}

function shrunk(batch: Batch, going: readonly Range[]): Batch | undefined {
  if (going.length === batch.ranges.length) return batch;
  return going.length === 0 ? undefined : batchOf(going);
}
