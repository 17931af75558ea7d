import {
  type Credit,
  type CreditLimit,
  chargeFor,
  createCredit,
  grant,
  spend,
} from "../actor/credit.ts";
import { assert } from "../assert.ts";
import { type Delivery, type EdgeRef, type Settled, seqOf } from "./delivery.ts";
import type { Packet } from "./packet.ts";
import type { Partition } from "./partition.ts";

/** Where the packets of an edge go: the receiver's mailbox. */
export type Receiver = { send(lane: number, message: Delivery, bytes: number): void };

/**
 * The sender's side of one edge of the graph, kept outside of its actor so that it outlives
 * restarts: credit for each partition, and the deliveries that the receiver has not settled.
 */
export type Edge = EdgeRef & {
  /** Packets that may still be sent, least over its partitions. */
  creditLeft(): number;
  /** How many of `packets[from..to)` may be sent now. */
  fits(partition: Partition, packets: readonly Packet[], from: number, to: number): number;
  /** Sends `packets[from..to)`; their copies are already in the ledger. */
  send(
    partition: Partition,
    packets: readonly Packet[],
    from: number,
    to: number,
    first: number,
  ): void;
  /** Whether there is credit for one more packet. */
  canStage(partition: Partition, packet: Packet): boolean;
  /** Puts one packet aside to go out with `flush`; false, and nothing done, without credit. */
  stage(partition: Partition, packet: Packet, seq: number): boolean;
  /** Adds the copies of what was put aside to the ledger and sends them. */
  flush(partition: Partition): void;
  /** Takes the credit back and settles the copies in the ledger. */
  settled(message: Settled): void;
  /** The receiver's incarnation has changed: everything unsettled goes out again, in order. */
  attached(incarnation: number): void;
};

type Lane = {
  readonly partition: Partition;
  readonly credit: Credit;
  readonly unsettled: Map<Delivery, Progress>;
  staged: Packet[];
  stagedSeqs: number[];
  /** Whether each staged number is one more than the one before it. */
  inRow: boolean;
  lastSeq: number;
};

/** What of a delivery is settled; `done` is made only when a part of it is. */
type Progress = { remaining: number; done: Uint8Array | undefined };

export type EdgeOptions = EdgeRef & { readonly receiver: Receiver; readonly limit: CreditLimit };

export function createEdge({ from, to, sender, receiver, limit }: EdgeOptions): Edge {
  const lanes = new Map<number, Lane>();
  let lastLane: Lane | undefined;
  let incarnation = 0;

  function laneOf(partition: Partition): Lane {
    if (lastLane?.partition === partition) return lastLane;
    lastLane = lanes.get(partition.lane) ?? addLane(partition);
    return lastLane;
  }

  function addLane(partition: Partition): Lane {
    const credit = createCredit(limit);
    const lane: Lane = {
      partition,
      credit,
      unsettled: new Map(),
      staged: [],
      stagedSeqs: [],
      inRow: true,
      lastSeq: 0,
    };
    lanes.set(partition.lane, lane);
    return lane;
  }

  function chargeOf(packets: readonly Packet[], begin: number, end: number): number {
    let bytes = 0;
    for (let i = begin; i < end; i++) bytes += chargeFor(limit, (packets[i] as Packet).bytes);
    return bytes;
  }

  function dispatch(
    lane: Lane,
    packets: readonly Packet[],
    first: number,
    seqs: readonly number[] | undefined,
    bytes: number,
  ): void {
    const { partition } = lane;
    const delivery: Delivery = {
      kind: "deliver",
      edge,
      partition,
      packets,
      first,
      seqs,
      incarnation,
      taken: 0,
    };
    lane.unsettled.set(delivery, { remaining: packets.length, done: undefined });
    receiver.send(partition.lane, delivery, bytes);
  }

  /** What is left of a delivery, as packets with their sequence numbers. */
  function rest(delivery: Delivery, { done }: Progress): [Packet[], number[]] {
    const packets: Packet[] = [];
    const seqs: number[] = [];
    for (let i = 0; i < delivery.packets.length; i++) {
      if (done?.[i]) continue;
      packets.push(delivery.packets[i] as Packet);
      seqs.push(seqOf(delivery, i));
    }
    return [packets, seqs];
  }

  function settledIn(lane: Lane, delivery: Delivery, begin: number, end: number): void {
    const progress = lane.unsettled.get(delivery);
    assert(progress, "a delivery was settled twice");
    const whole = begin === 0 && end === delivery.packets.length;
    if (!whole) {
      progress.done ??= new Uint8Array(delivery.packets.length);
      for (let i = begin; i < end; i++) {
        assert(progress.done[i] === 0, "a packet was settled twice on one edge");
        progress.done[i] = 1;
      }
    }
    progress.remaining -= end - begin;
    assert(progress.remaining >= 0, "a packet was settled twice on one edge");
    if (progress.remaining === 0) lane.unsettled.delete(delivery);
  }

  const edge: Edge = {
    from,
    to,
    sender,
    creditLeft() {
      let least = limit.packets;
      for (const lane of lanes.values()) least = Math.min(least, lane.credit.packets);
      return least;
    },
    fits(partition, packets, begin, end) {
      if (incarnation === 0) return 0;
      const { credit } = laneOf(partition);
      const last = Math.min(end, begin + credit.packets);
      let room = credit.bytes;
      for (let i = begin; i < last; i++) {
        room -= chargeFor(limit, (packets[i] as Packet).bytes);
        if (room < 0) return i - begin;
      }
      return last - begin;
    },
    send(partition, packets, begin, end, first) {
      const lane = laneOf(partition);
      const bytes = chargeOf(packets, begin, end);
      spend(lane.credit, end - begin, bytes);
      const whole = begin === 0 && end === packets.length;
      dispatch(lane, whole ? packets : packets.slice(begin, end), first, undefined, bytes);
    },
    canStage(partition, packet) {
      const { credit } = laneOf(partition);
      const bytes = chargeFor(limit, packet.bytes);
      return incarnation > 0 && credit.packets >= 1 && credit.bytes >= bytes;
    },
    stage(partition, packet, seq) {
      if (!edge.canStage(partition, packet)) return false;
      const lane = laneOf(partition);
      spend(lane.credit, 1, chargeFor(limit, packet.bytes));
      if (seq !== lane.lastSeq + 1 && lane.staged.length > 0) lane.inRow = false;
      lane.lastSeq = seq;
      lane.staged.push(packet);
      lane.stagedSeqs.push(seq);
      return true;
    },
    flush(partition) {
      const lane = lanes.get(partition.lane);
      if (!lane || lane.staged.length === 0) return;
      const { staged, stagedSeqs, inRow } = lane;
      lane.staged = [];
      lane.stagedSeqs = [];
      lane.inRow = true;
      const bytes = chargeOf(staged, 0, staged.length);
      const first = stagedSeqs[0] as number;
      if (inRow) partition.ledger.forkRange(first, staged.length, 1);
      else for (const seq of stagedSeqs) partition.ledger.fork(seq);
      dispatch(lane, staged, first, inRow ? undefined : stagedSeqs, bytes);
    },
    settled({ delivery, from: begin, to: end, outcome }) {
      const { partition, packets } = delivery;
      const lane = laneOf(partition);
      settledIn(lane, delivery, begin, end);
      grant(lane.credit, end - begin, chargeOf(packets, begin, end));
      if (!delivery.seqs)
        partition.ledger.settleRange(delivery.first + begin, end - begin, outcome);
      else for (let i = begin; i < end; i++) partition.ledger.settle(seqOf(delivery, i), outcome);
    },
    attached(now) {
      incarnation = now;
      for (const lane of lanes.values()) {
        const again = [...lane.unsettled];
        lane.unsettled.clear();
        for (const [delivery, progress] of again) {
          const [packets, seqs] = rest(delivery, progress);
          const bytes = chargeOf(packets, 0, packets.length);
          dispatch(lane, packets, seqs[0] as number, seqs, bytes);
        }
      }
    },
  };
  return edge;
}
