import { assert } from "../assert.ts";
import { DbusError } from "../errors.ts";
import { DEADLETTERED, type Outcome } from "./outcome.ts";
import type { Packet } from "./packet.ts";
import type { Position } from "./position.ts";

/** Waits for some packets of one partition to be settled on all their branches. */
export type Tracker = {
  remaining: number;
  worst: Outcome;
  readonly done: (worst: Outcome) => void;
  /** Their partition was fenced before: what became of them is not known. */
  readonly lost?: () => void;
};

/**
 * The acks of one source partition. A packet gets the next sequence number when it is admitted,
 * and is settled when all copies of it that are on edges are settled: a copy is added by `fork`
 * before it is sent. The watermark is the position of the last packet of the settled prefix, so a
 * success that overtakes a failure can never move it past the failure (invariant 1).
 *
 * Rings of numbers, about 20 bytes a packet of the window, nothing allocated per packet.
 */
export type AckLedger = {
  /** From the oldest packet that is not settled to the newest: at most the window. */
  readonly inFlight: number;
  readonly inFlightBytes: number;
  /** Packets admitted since the start. */
  readonly admitted: number;
  /** The oldest packet in flight: all that was admitted after it waits for it. */
  oldest(): { readonly seq: number; readonly position: Position } | undefined;
  /** How many of `packets[from..]` fit the window now. */
  fits(packets: readonly Packet[], from: number): number;
  /** Admits `packets[from..to)`, each with one copy; answers the first sequence number. */
  admit(packets: readonly Packet[], from: number, to: number): number;
  /** Whether somebody waits for room since the last time that there may have been some. */
  readonly wanted: boolean;
  /** Somebody waits for room: tells all who may be waiting for more. */
  want(): void;
  /** Has `tell` called with each `want`; another one under the same name takes its place. */
  onWanted(name: string, tell: () => void): void;
  /** Of a packet in flight: where its source had it, whatever filters made of it. */
  positionOf(seq: number): Position;
  fork(seq: number): void;
  forkRange(first: number, count: number, copies: number): void;
  settle(seq: number, outcome: Outcome): void;
  settleRange(first: number, count: number, outcome: Outcome): void;
  /** The newest position below which everything is settled; undefined before the first. */
  watermark(): Position | undefined;
  /** The source is at `position` without having sent packets: counts once all before is settled. */
  idle(position: Position): void;
  /** Reading goes on from elsewhere: forgets the watermark. Only while nothing is in flight. */
  reset(): void;
  /** Calls `tracker.done` when the packets are settled. */
  track(first: number, count: number, tracker: Tracker): void;
  /**
   * From now on the watermark stands: what is settled later, or a second time, counts for nothing
   * but the room that it made. Nothing more is admitted.
   */
  fence(): void;
};

export type LedgerOptions = {
  readonly window: { readonly packets: number; readonly bytes: number };
  /** Called after room was made. It must not call back into the ledger. */
  readonly onRoom: () => void;
};

export function createAckLedger({ window, onRoom }: LedgerOptions): AckLedger {
  let capacity = 16;
  while (capacity < window.packets) capacity *= 2;
  const mask = capacity - 1;
  const copies = new Int32Array(capacity);
  const charges = new Float64Array(capacity);
  const positions: (Position | undefined)[] = new Array(capacity).fill(undefined);
  const trackers = new Map<number, Tracker>();
  /** [head, next) is in flight; both only grow. */
  let head = 0;
  let next = 0;
  let bytes = 0;
  let mark: Position | undefined;
  let idleAt: { readonly seq: number; readonly position: Position } | undefined;
  let fenced = false;
  let wanted = false;
  const onWanted = new Map<string, () => void>();

  /** Bytes charged: a packet above the whole window needs all of it, alone. */
  function charge(packet: Packet): number {
    const size = packet.bytes;
    if (!(size >= 1) || typeof packet.ident !== "string") {
      throw new DbusError("PACKET_INVALID", "a packet needs an ident and at least one byte");
    }
    return Math.min(size, window.bytes);
  }

  function settleOne(seq: number, outcome: Outcome): void {
    const slot = seq & mask;
    const left = (copies[slot] as number) - 1;
    if (left < 0 || seq < head || seq >= next) {
      assert(fenced, "a packet was settled twice");
      return;
    }
    copies[slot] = left;
    if (trackers.size > 0) settleTracked(seq, left, outcome);
    if (left === 0) bytes -= charges[slot] as number;
  }

  function settleTracked(seq: number, left: number, outcome: Outcome): void {
    const tracker = trackers.get(seq);
    if (!tracker) return;
    if (outcome > tracker.worst) tracker.worst = outcome;
    if (left > 0) return;
    trackers.delete(seq);
    if (--tracker.remaining === 0) tracker.done(tracker.worst);
  }

  function advance(): void {
    const before = head;
    wanted = false;
    while (head < next && copies[head & mask] === 0) head++;
    if (fenced) {
      onRoom();
      return;
    }
    if (head > before) mark = positions[(head - 1) & mask];
    if (idleAt && head >= idleAt.seq) {
      if (head === idleAt.seq) mark = idleAt.position;
      idleAt = undefined;
    }
    onRoom();
  }

  return {
    get inFlight() {
      return next - head;
    },
    get inFlightBytes() {
      return bytes;
    },
    get admitted() {
      return next;
    },
    get wanted() {
      return wanted;
    },
    want() {
      if (wanted || fenced) return;
      wanted = true;
      for (const tell of onWanted.values()) tell();
    },
    onWanted: (name, tell) => void onWanted.set(name, tell),
    oldest() {
      return head === next
        ? undefined
        : { seq: head, position: positions[head & mask] as Position };
    },
    fits(packets, from) {
      const end = Math.min(packets.length, from + window.packets - (next - head));
      let room = window.bytes - bytes;
      for (let i = from; i < end; i++) {
        room -= charge(packets[i] as Packet);
        if (room < 0) return i - from;
      }
      return end - from;
    },
    admit(packets, from, to) {
      assert(!fenced, "a packet of a fenced partition was admitted");
      const first = next;
      assert(
        to - from <= window.packets - (next - head),
        "more was admitted than the window holds",
      );
      for (let i = from; i < to; i++) {
        const packet = packets[i] as Packet;
        const slot = next++ & mask;
        const charged = charge(packet);
        copies[slot] = 1;
        charges[slot] = charged;
        positions[slot] = packet.position;
        bytes += charged;
      }
      return first;
    },
    positionOf(seq) {
      assert(seq >= head && seq < next, "only packets in flight have a position");
      return positions[seq & mask] as Position;
    },
    fork(seq) {
      assert(fenced || (seq >= head && seq < next), "a settled packet was forked");
      (copies[seq & mask] as number)++;
    },
    forkRange(first, count, more) {
      const open = first >= head && first + count <= next;
      assert(open || fenced, "a settled packet was forked");
      for (let seq = first; seq < first + count; seq++) (copies[seq & mask] as number) += more;
    },
    settle(seq, outcome) {
      settleOne(seq, outcome);
      advance();
    },
    settleRange(first, count, outcome) {
      for (let seq = first; seq < first + count; seq++) settleOne(seq, outcome);
      advance();
    },
    watermark: () => mark,
    idle(position) {
      if (fenced) return;
      if (head === next) mark = position;
      else idleAt = { seq: next, position };
    },
    reset() {
      assert(head === next, "a ledger is reset only while nothing is in flight");
      mark = undefined;
      idleAt = undefined;
    },
    track(first, count, tracker) {
      for (let seq = first; seq < first + count; seq++) trackers.set(seq, tracker);
    },
    fence() {
      fenced = true;
      idleAt = undefined;
      const waiting = new Set(trackers.values());
      trackers.clear();
      for (const tracker of waiting) tracker.lost?.();
    },
  };
}

/** What a tracker's worst outcome means to whoever waits. */
export function settlementOf(worst: Outcome): "delivered" | "deadlettered" {
  return worst === DEADLETTERED ? "deadlettered" : "delivered";
}
