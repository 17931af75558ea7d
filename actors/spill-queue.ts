import { createDeque } from "#src/actor/deque.ts";
import { DbusError } from "#src/errors.ts";
import { createAckLedger } from "#src/flow/ack-ledger.ts";
import { type Delivery, type Settled, seqOf } from "#src/flow/delivery.ts";
import type { Edge } from "#src/flow/edge.ts";
import { DELIVERED } from "#src/flow/outcome.ts";
import type { EmitRight, Partition } from "#src/flow/partition.ts";
import type { Origin, SpillBatch } from "#src/spill/spill-batch.ts";
import { createBatchDecoder } from "#src/spill/spill-codec.ts";
import type { SpillLog, SpillLoss, SpillRecord } from "#src/spill/spill-log.ts";
import { type Held, hold, part, recordsOf, settleOpen, settleSent } from "./spill-held.ts";

/**
 * The packets before an output with a buffer on disk. It has a ledger of its own for what is on its
 * way to the output, under partitions that are called like those the packets came from.
 *
 * While the output takes what comes, packets are held until it has settled them, like anywhere. From
 * the first one for which there is no credit on, everything that is held goes to the disk, what is
 * on its way to the output too: it is settled where it came from as soon as it is durable, so that
 * it holds up nobody. What is on the disk and not on its way yet is read as the output takes it; the
 * watermark of the ledger says up to where the log is acked.
 */
export type SpillQueue = {
  /** Whether everything goes to the disk. */
  readonly spilling: boolean;
  /** The log is as large as it may be: what comes is held, and whoever sends it waits. */
  readonly full: boolean;
  /** When the oldest packet in the log came, in Unix milliseconds; null while it is not known. */
  readonly oldestAt: number | null;
  /** `at` is Unix milliseconds. */
  add(delivery: Delivery, at: number): void;
  /** The output has settled what it was sent. Call it after the edge was told. */
  settled(message: Settled): void;
  /** What was being written is durable, or nothing of it is. */
  appended(error: Error | undefined): void;
  /** Answers why it cannot go on, if what was read is of a newer dbus: `SPILL_VERSION`. */
  read(record: SpillRecord | undefined): DbusError | undefined;
  /** Does all that can be done now; with `wait` nothing is written. */
  pump(wait: boolean): void;
};

export type SpillQueueOptions = {
  readonly log: SpillLog;
  readonly bytesMax: number;
  readonly edge: Edge;
  readonly window: { readonly packets: number; readonly bytes: number };
  readonly nextLane: () => number;
  readonly lost: (loss: SpillLoss) => void;
  /** Waits for an append and calls `appended`. */
  readonly append: (work: Promise<void>) => void;
  /** Calls `read` with the log's next record. */
  readonly read: () => void;
  readonly ack: (number: number) => void;
};

/** Packets that were read, of which those before `sent` are on their way. */
type Reading = SpillBatch & { readonly partition: Partition; readonly first: number; sent: number };

/** Nobody else can own what is on this disk. */
const right: EmitRight = { fenced: false, mayEmit: () => true, onFenced() {} };

/** What is encoded and made durable at once. */
const APPEND_BYTES = 4 * 2 ** 20;

export function createSpillQueue(options: SpillQueueOptions): SpillQueue {
  const { log, edge, window, bytesMax } = options;
  const ledger = createAckLedger({ window, onRoom() {} });
  const decode = createBatchDecoder();
  const partitions = new Map<string, Partition>();
  const lanes = new Set<number>();
  /** Not durable, oldest first: those that are on their way to the output stand before the others. */
  let held: Held[] = [];
  /** How many of them are being written. */
  let writing = 0;
  /** Which numbers of the log the ledger's numbers from `seq` on are. */
  const runs = createDeque<{
    readonly seq: number;
    readonly count: number;
    readonly first: number;
    readonly at: number | null;
  }>();
  let current: Reading | undefined;
  /** The newest number in the log when it was asked for a record; 0 when it is not being asked. */
  let asked = 0;
  /** Up to here everything was read or is damaged, and up to there it is on its way. */
  let seen = log.acked;
  let sentTo = log.acked;
  let acked = log.acked;
  let spilling = log.packets > 0;
  let full = false;
  /** What was sent by a former incarnation of the buffer goes first; the disk takes what comes. */
  let othersFirst = edge.unsettled().size > 0;

  function partitionOf({ input, resource, name }: Origin): Partition {
    const key = JSON.stringify([input, resource, name]);
    let partition = partitions.get(key);
    if (!partition) {
      partition = { lane: options.nextLane(), input, resource, name, ledger, right };
      partitions.set(key, partition);
      lanes.add(partition.lane);
    }
    return partition;
  }

  /** Sends packets from `from` on as far as there is room; answers how many, under which number. */
  function send({ partition, packets }: Pick<Reading, "partition" | "packets">, from: number) {
    const room = Math.min(
      ledger.fits(packets, from),
      edge.fits(partition, packets, from, packets.length),
    );
    let seq = -1;
    if (room > 0) {
      seq = ledger.admit(packets, from, from + room);
      const all = room === packets.length;
      edge.send(partition, all ? packets : packets.slice(from, from + room), seq);
    }
    // Its window is the credit of one partition on the edge, so it is the first to be spent.
    if (from + room < packets.length) ledger.want();
    return { room, seq };
  }

  /** Sends what is held, in order, until the output has as much as it may have. */
  function sendHeld(): void {
    for (let i = 0; i < held.length && !spilling; i++) {
      const one = held[i] as Held;
      if (one.seq >= 0) continue;
      const partition = partitionOf(one.delivery.partition);
      const { room, seq } = send({ partition, packets: one.packets }, 0);
      if (room > 0 && room < one.packets.length) {
        held.splice(i, 1, part(one, 0, room), part(one, room, one.packets.length));
      }
      if (room > 0) (held[i] as Held).seq = seq;
      spilling = room < one.packets.length || isExhausted(partition);
    }
  }

  /** Whoever sends here has as much credit and, with all of it held, could send no more. */
  function isExhausted(partition: Partition): boolean {
    const { packets, bytes, limit } = edge.credit(partition);
    return packets === 0 || bytes < limit.bytes / 4 || ledger.inFlight >= window.packets;
  }

  function write(): void {
    full = held.length > 0 && log.packets > 0 && log.bytes >= bytesMax;
    if (writing > 0 || full || held.length === 0) return;
    const bodies = [];
    let bytes = 0;
    while (writing < held.length && bytes < APPEND_BYTES) {
      for (const record of recordsOf(held[writing] as Held)) {
        bodies.push(record);
        bytes += record.body.length;
      }
      writing++;
    }
    options.append(log.append(bodies));
  }

  /** Sends what was read, and reads what is not on its way yet. */
  function feed(): void {
    if (current) {
      const { first, sent, at } = current;
      const { room, seq } = send(current, sent);
      if (room > 0) runs.push({ seq, count: room, first: first + sent, at });
      current.sent += room;
      sentTo = Math.max(sentTo, first + current.sent - 1);
      if (current.sent === current.packets.length) current = undefined;
    }
    const newest = log.acked + log.packets;
    // What is held and on its way is in front of all that has to be read.
    if (current || asked > 0 || newest <= seen) return;
    asked = newest;
    options.read();
  }

  /** Acks what the settled prefix of the ledger is in the log. */
  function ackSettled(): void {
    const head = ledger.admitted - ledger.inFlight;
    let number = acked;
    for (let run = runs.peek(); run && run.seq < head; run = runs.peek()) {
      number = run.first + Math.min(run.count, head - run.seq) - 1;
      if (run.seq + run.count > head) break;
      runs.shift();
    }
    // What is damaged at the end of the log is behind nothing that could be settled.
    if (!current && asked === 0 && runs.size === 0) number = Math.max(number, seen);
    if (number <= acked) return;
    acked = number;
    options.ack(number);
  }

  function isEmpty(): boolean {
    return held.length === 0 && log.packets === 0 && !current && asked === 0;
  }

  return {
    get spilling() {
      return spilling;
    },
    get full() {
      return full;
    },
    get oldestAt() {
      const run = runs.peek();
      return run ? run.at : (current?.at ?? null);
    },
    add(delivery, at) {
      held.push(hold(delivery, at));
    },
    settled({ delivery, from, to, outcome }) {
      if (!lanes.has(delivery.partition.lane)) return;
      if (!delivery.seqs) settleSent(held, delivery.first + from, to - from, outcome);
      else for (let i = from; i < to; i++) settleSent(held, seqOf(delivery, i), 1, outcome);
      let gone = 0;
      while (writing === 0 && held[gone]?.open === 0) gone++;
      if (gone > 0) held = held.slice(gone);
    },
    appended(error) {
      const count = writing;
      writing = 0;
      if (error) return;
      let first = log.acked + log.packets + 1;
      const durable = held.slice(0, count);
      held = held.slice(count);
      for (const { packets } of durable) first -= packets.length;
      for (const one of durable) {
        settleOpen(one, DELIVERED);
        if (one.seq >= 0) {
          runs.push({ seq: one.seq, count: one.packets.length, first, at: one.at });
          sentTo = first + one.packets.length - 1;
          seen = Math.max(seen, sentTo);
        }
        first += one.packets.length;
      }
    },
    read(record) {
      seen = Math.max(seen, record ? record.first + record.count - 1 : asked);
      asked = 0;
      if (!record) return undefined;
      const { first, count, body } = record;
      try {
        const batch = decode(body);
        const sent = Math.min(count, Math.max(0, sentTo + 1 - first));
        if (sent < count) current = { ...batch, partition: partitionOf(batch.origin), first, sent };
      } catch (error) {
        if (error instanceof DbusError && error.code === "SPILL_VERSION") return error;
        options.lost({ from: first, to: first + count - 1, reason: "it is not what was written" });
      }
      return undefined;
    },
    pump(wait) {
      othersFirst &&= edge.unsettled().size > 0;
      if (othersFirst) spilling = true;
      if (!spilling) sendHeld();
      if (!spilling) return;
      if (!wait) write();
      if (!othersFirst) feed();
      ackSettled();
      if (!othersFirst && isEmpty() && ledger.inFlight === 0) spilling = false;
    },
  };
}
