import {
  type Credit,
  type CreditLimit,
  chargeFor,
  createCredit,
  grant,
  spend,
} from "../actor/credit.ts";
import { createDeque, type Deque } from "../actor/deque.ts";
import {
  type Delivery,
  type EdgeRef,
  type Emission,
  type Hurry,
  type Settled,
  seqOf,
} from "./delivery.ts";
import { DELIVERED } from "./outcome.ts";
import type { Packet } from "./packet.ts";
import type { Partition } from "./partition.ts";
import { keeps, markSettled, rest } from "./unsettled.ts";

/** Where the packets of an edge go: the receiver's mailbox. */
export type Receiver = {
  send(lane: number, message: Delivery, bytes: number): void;
  signal(message: Emission | Hurry): void;
};

/**
 * The sender's side of one edge of the graph, kept outside of its actor so that it outlives
 * restarts: credit for each partition, and the deliveries that the receiver has not settled. The
 * copies of what it sends are in the ledger before it sends them.
 */
export type Edge = EdgeRef & {
  readonly receiver: Receiver;
  readonly limit: CreditLimit;
  /** Packets that may still be sent, least over its partitions. */
  creditLeft(): number;
  /** What the receiver has not settled, by partition; only partitions of which there is some. */
  unsettled(): ReadonlyMap<Partition, number>;
  /** What may be sent now. */
  credit(partition: Partition): Readonly<Credit>;
  /** How many of `packets[from..to)` may be sent now. */
  fits(partition: Partition, packets: readonly Packet[], from: number, to: number): number;
  /** Sends packets; their numbers are `first + i`, or `seqs`. */
  send(
    partition: Partition,
    packets: readonly Packet[],
    first: number,
    seqs?: readonly number[],
  ): void;
  /** Spends the credit for packets and puts them aside, to go out together with `flush`. */
  stage(
    partition: Partition,
    packets: readonly Packet[],
    first: number,
    seqs?: readonly number[],
  ): void;
  flush(partition: Partition): void;
  /** A packet of so many bytes waits to be sent: a receiver that lingers is told if it cannot be. */
  want(partition: Partition, bytes: number): void;
  /** Whether the receiver has a copy of that packet, or is to get it, and has not settled it. */
  holds(partition: Partition, seq: number): boolean;
  /** Takes the credit back and settles the copies in the ledger. */
  settled(message: Settled): void;
  /**
   * The receiver's incarnation has changed: everything unsettled goes out again, in order. Told of
   * the same one twice, it does nothing: an edge that was made while the news was on its way.
   */
  attached(incarnation: number): void;
};

type Lane = {
  readonly partition: Partition;
  readonly credit: Credit;
  /** In the order in which they went out; one that is settled leaves when it is the first. */
  readonly unsettled: Deque<Delivery>;
  staged: Packet[];
  stagedSeqs: number[];
  /** There is no credit for what is next. */
  wanted: boolean;
  /** The receiver waits for more, and is to be told when none can come. */
  lingering: boolean;
};

export type EdgeOptions = Omit<EdgeRef, "lingers"> & {
  readonly receiver: Receiver;
  readonly limit: CreditLimit;
  /** That under which the receiver attached last; 0, unless told, when it has not yet. */
  readonly incarnation?: number;
};

export function createEdge(options: EdgeOptions): Edge {
  const { from, to, sender, receiver, limit } = options;
  const lanes = new Map<number, Lane>();
  let lastLane: Lane | undefined;
  let { incarnation = 0 } = options;

  function laneOf(partition: Partition): Lane {
    if (lastLane?.partition === partition) return lastLane;
    lastLane = lanes.get(partition.lane) ?? addLane(partition);
    return lastLane;
  }

  function addLane(partition: Partition): Lane {
    const lane: Lane = {
      partition,
      credit: createCredit(limit),
      unsettled: createDeque(),
      staged: [],
      stagedSeqs: [],
      wanted: false,
      lingering: false,
    };
    lanes.set(partition.lane, lane);
    partition.right.onFenced(`${from} -> ${to} ${partition.name}`, () => discard(lane));
    // A ledger may be that of several partitions.
    partition.ledger.onWanted(`${from} -> ${to} ${partition.lane}`, () => hurry(lane));
    return lane;
  }

  function hurry(lane: Lane): void {
    if (!lane.lingering) return;
    lane.lingering = false;
    receiver.signal({ kind: "hurry", lane: lane.partition.lane });
  }

  /** Its partition is fenced: all of it is settled at once, and the receiver may drop its copies. */
  function discard(lane: Lane): void {
    const { partition, unsettled, stagedSeqs } = lane;
    lane.staged = [];
    lane.stagedSeqs = [];
    for (const seq of stagedSeqs) partition.ledger.settle(seq, DELIVERED);
    for (const delivery of unsettled) settleOpen(lane, delivery, 0, delivery.packets.length);
    forget(lane);
    receiver.signal({ kind: "emission" });
  }

  /** A receiver that has not heard of the fence yet, or drops its copy, settles what is settled. */
  function settleOpen({ credit, partition }: Lane, delivery: Delivery, begin: number, end: number) {
    for (let i = begin; i < end && delivery.open > 0; i++) {
      if (delivery.done?.[i]) continue;
      markSettled(delivery, i, i + 1);
      grant(credit, 1, chargeOf(delivery.packets, i, i + 1));
      partition.ledger.settle(seqOf(delivery, i), DELIVERED);
    }
  }

  function forget({ partition }: Lane): void {
    lanes.delete(partition.lane);
    lastLane = undefined;
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
    const delivery: Delivery = {
      kind: "deliver",
      edge,
      partition: lane.partition,
      packets,
      first,
      seqs,
      charged: bytes,
      incarnation,
      taken: 0,
      open: packets.length,
      done: undefined,
    };
    lane.unsettled.push(delivery);
    // Before the receiver has attached it is only kept: credit bounds it, and others can go on.
    if (incarnation > 0) receiver.send(lane.partition.lane, delivery, bytes);
  }

  const edge: Edge = {
    from,
    to,
    sender,
    receiver,
    limit,
    creditLeft() {
      let least = limit.packets;
      for (const lane of lanes.values()) least = Math.min(least, lane.credit.packets);
      return least;
    },
    unsettled() {
      const open = new Map<Partition, number>();
      for (const { partition, unsettled } of lanes.values()) {
        let packets = 0;
        for (const delivery of unsettled) packets += delivery.open;
        if (packets > 0) open.set(partition, packets);
      }
      return open;
    },
    credit: (partition) => laneOf(partition).credit,
    fits(partition, packets, begin, end) {
      const { credit } = laneOf(partition);
      const last = Math.min(end, begin + credit.packets);
      let room = credit.bytes;
      for (let i = begin; i < last; i++) {
        room -= chargeFor(limit, (packets[i] as Packet).bytes);
        if (room < 0) return i - begin;
      }
      return last - begin;
    },
    send(partition, packets, first, seqs) {
      const lane = laneOf(partition);
      const bytes = chargeOf(packets, 0, packets.length);
      spend(lane.credit, packets.length, bytes);
      dispatch(lane, packets, first, seqs, bytes);
    },
    stage(partition, packets, first, seqs) {
      const { credit, staged, stagedSeqs } = laneOf(partition);
      spend(credit, packets.length, chargeOf(packets, 0, packets.length));
      for (let i = 0; i < packets.length; i++) {
        staged.push(packets[i] as Packet);
        stagedSeqs.push(seqs ? (seqs[i] as number) : first + i);
      }
    },
    flush(partition) {
      const lane = laneOf(partition);
      const { staged, stagedSeqs } = lane;
      if (staged.length === 0) return;
      lane.staged = [];
      lane.stagedSeqs = [];
      const bytes = chargeOf(staged, 0, staged.length);
      dispatch(lane, staged, stagedSeqs[0] as number, stagedSeqs, bytes);
    },
    want(partition, bytes) {
      const lane = laneOf(partition);
      const { credit } = lane;
      if (credit.packets >= 1 && credit.bytes >= chargeFor(limit, bytes)) return;
      lane.wanted = true;
      hurry(lane);
    },
    lingers(partition) {
      // One that is fenced has no lane any more.
      const lane = lanes.get(partition.lane);
      if (!lane || lane.wanted || partition.ledger.wanted) return true;
      lane.lingering = true;
      return false;
    },
    holds(partition, seq) {
      const lane = lanes.get(partition.lane);
      if (!lane) return false;
      return lane.stagedSeqs.includes(seq) || [...lane.unsettled].some((one) => keeps(one, seq));
    },
    settled({ delivery, from: begin, to: end, outcome }) {
      const { partition, packets, first, seqs } = delivery;
      if (partition.right.fenced) {
        const lane = lanes.get(partition.lane);
        if (!lane) return;
        settleOpen(lane, delivery, begin, end);
        if ([...lane.unsettled].every(({ open }) => open === 0)) forget(lane);
        return;
      }
      const lane = laneOf(partition);
      const { credit, unsettled } = lane;
      lane.wanted = false;
      markSettled(delivery, begin, end);
      while (unsettled.peek()?.open === 0) unsettled.shift();
      const whole = end - begin === packets.length;
      grant(credit, end - begin, whole ? delivery.charged : chargeOf(packets, begin, end));
      if (!seqs) partition.ledger.settleRange(first + begin, end - begin, outcome);
      else for (let i = begin; i < end; i++) partition.ledger.settle(seqs[i] as number, outcome);
    },
    attached(now) {
      if (now === incarnation) return;
      incarnation = now;
      for (const lane of lanes.values()) {
        const again = [...lane.unsettled].filter((delivery) => delivery.open > 0);
        lane.unsettled.clear();
        for (const delivery of again) {
          const [packets, seqs] = rest(delivery);
          dispatch(lane, packets, seqs[0] as number, seqs, chargeOf(packets, 0, packets.length));
        }
      }
    },
  };
  return edge;
}
