import { assert } from "../assert.ts";
import type { Attached, Delivery, Settled } from "./delivery.ts";
import { seqOf } from "./delivery.ts";
import type { Edge } from "./edge.ts";
import type { Packet } from "./packet.ts";
import type { Partition } from "./partition.ts";
import { createRouteTable, type Route } from "./route-table.ts";

/** All edges out of one node, and which of them a packet takes. Outlives restarts of the node. */
export type Outlet = {
  readonly edges: readonly Edge[];
  /**
   * Sends the packets of a delivery on unchanged, from `delivery.taken` as far as credit goes, and
   * answers how many have found their way; one without a match has, too.
   */
  forward(delivery: Delivery): number;
  /** Sends one packet under the ledger's `seq`; false, and nothing done, without credit for it. */
  offer(partition: Partition, packet: Packet, seq: number): boolean;
  /** Lets out what was offered. Call it at the end of every turn. */
  flush(): void;
  settled(message: Settled): void;
  attached(message: Attached): void;
  /**
   * Takes other routes, between two turns. What is on an edge that stays is not touched; one that
   * goes must have nothing unsettled, since nobody would hear of it any more.
   */
  reroute(routes: readonly Route<Edge>[]): void;
};

export type OutletOptions = {
  readonly routes: readonly Route<Edge>[];
  /** Told of packets that nothing matches; false leaves them where they are. */
  readonly onUnrouted: (partition: Partition, ident: string, count: number) => boolean;
};

/**
 * Packets of one partition that go to the same targets, one after the other. They share one array
 * on all of those edges, and their credit is looked at once: `packetsLeft` and `bytesLeft` are
 * what every target still has.
 */
type Run = {
  readonly partition: Partition;
  readonly targets: readonly Edge[];
  /** The ident of its newest packet: the same ident needs no look-up. */
  ident: string;
  readonly packets: Packet[];
  readonly first: number;
  /** Made at the first number that is not one more than the one before it. */
  seqs: number[] | undefined;
  packetsLeft: number;
  bytesLeft: number;
  /** The size of a packet for which there was no credit; 0 when there was none. */
  refused: number;
  /** The most that one packet is charged on these edges. */
  readonly limitBytes: number;
  /** What each of them has left, where that is not the same for all: one may have a buffer. */
  readonly each: readonly Left[] | undefined;
};

type Left = { bytes: number; readonly limit: number };

/** Runs of packets with the same targets go out as ranges from this length on. */
const RANGE_MIN = 16;

export function createOutlet({ routes, onUnrouted }: OutletOptions): Outlet {
  let edges = routes.map((route) => route.target);
  let lookup = createRouteTable(routes);
  let run: Run | undefined;
  /** The partition whose runs were staged on edges and have not gone out. */
  let staged: Partition | undefined;

  function beginRun(partition: Partition, ident: string, targets: readonly Edge[], first: number) {
    let packetsLeft = Number.POSITIVE_INFINITY;
    let bytesLeft = Number.POSITIVE_INFINITY;
    let limitBytes = 0;
    for (const edge of targets) {
      const credit = edge.credit(partition);
      packetsLeft = Math.min(packetsLeft, credit.packets);
      bytesLeft = Math.min(bytesLeft, credit.bytes);
      limitBytes = Math.max(limitBytes, credit.limit.bytes);
    }
    const each = leftOfEach(partition, targets, limitBytes);
    const left = { packetsLeft, bytesLeft, refused: 0, limitBytes, each };
    run = { partition, targets, ident, packets: [], first, seqs: undefined, ...left };
    return run;
  }

  /** Ends the run: its copies go into the ledger, its packets onto the edges or beside others. */
  function endRun(last: boolean): void {
    if (!run) return;
    const ended = run;
    run = undefined;
    if (ended.packets.length > 0) sendOff(ended, last);
    const { targets, partition, refused } = ended;
    if (refused > 0) for (const edge of targets) edge.want(partition, refused);
  }

  function sendOff({ partition, targets, packets, first, seqs }: Run, last: boolean): void {
    const { ledger } = partition;
    if (!seqs) ledger.forkRange(first, packets.length, targets.length);
    else for (const seq of seqs) ledger.forkRange(seq, 1, targets.length);
    const alone = last && staged === undefined;
    for (const edge of targets) {
      if (alone) edge.send(partition, packets, first, seqs);
      else edge.stage(partition, packets, first, seqs);
    }
    if (!alone) staged = partition;
  }

  function flush(): void {
    endRun(true);
    if (!staged) return;
    for (const edge of edges) edge.flush(staged);
    staged = undefined;
  }

  /** The end of the run of packets from `begin` on that share `targets`. */
  function runEnd(packets: readonly Packet[], begin: number, targets: readonly Edge[]): number {
    let ident = (packets[begin] as Packet).ident;
    let end = begin + 1;
    for (; end < packets.length; end++) {
      const other = (packets[end] as Packet).ident;
      if (other === ident) continue;
      if (lookup(other) !== targets) break;
      ident = other;
    }
    return end;
  }

  function sendRange(delivery: Delivery, begin: number, end: number, targets: readonly Edge[]) {
    flush();
    const { partition, packets, first } = delivery;
    let last = end;
    for (const edge of targets) last = begin + edge.fits(partition, packets, begin, last);
    if (last > begin) {
      partition.ledger.forkRange(first + begin, last - begin, targets.length);
      const whole = begin === 0 && last === packets.length;
      const part = whole ? packets : packets.slice(begin, last);
      for (const edge of targets) edge.send(partition, part, first + begin);
    }
    const next = packets[last];
    if (last < end && next) for (const edge of targets) edge.want(partition, next.bytes);
    return last;
  }

  function offerTo(targets: readonly Edge[], partition: Partition, packet: Packet, seq: number) {
    if (staged && staged !== partition) flush();
    let current = run;
    if (!current || current.targets !== targets || current.partition !== partition) {
      endRun(false);
      current = beginRun(partition, packet.ident, targets, seq);
    }
    return addTo(current, packet, seq);
  }

  /** Sends `[begin, end)`, which share `targets`; answers how far it came. */
  function sendRun(delivery: Delivery, begin: number, end: number, targets: readonly Edge[]) {
    const { partition, packets } = delivery;
    if (targets.length === 0) {
      const { ident } = packets[begin] as Packet;
      return onUnrouted(partition, ident, end - begin) ? end : begin;
    }
    if (!delivery.seqs && (end - begin >= RANGE_MIN || packets.length === 1)) {
      return sendRange(delivery, begin, end, targets);
    }
    for (let i = begin; i < end; i++) {
      if (!offerTo(targets, partition, packets[i] as Packet, seqOf(delivery, i))) return i;
    }
    return end;
  }

  return {
    get edges() {
      return edges;
    },
    forward(delivery) {
      const { packets } = delivery;
      let at = delivery.taken;
      while (at < packets.length) {
        const targets = lookup((packets[at] as Packet).ident);
        const end = runEnd(packets, at, targets);
        const reached = sendRun(delivery, at, end, targets);
        at = reached;
        if (reached < end) break;
      }
      flush();
      return at - delivery.taken;
    },
    offer(partition, packet, seq) {
      if (run && run.ident === packet.ident && run.partition === partition) {
        return addTo(run, packet, seq);
      }
      const targets = lookup(packet.ident);
      if (targets.length === 0) return onUnrouted(partition, packet.ident, 1);
      return offerTo(targets, partition, packet, seq);
    },
    flush,
    settled(message) {
      for (const edge of edges) {
        if (edge === message.delivery.edge) {
          edge.settled(message);
          return;
        }
      }
    },
    attached(message) {
      edges.find((edge) => edge.to === message.to)?.attached(message.incarnation);
    },
    reroute(others) {
      assert(run === undefined && staged === undefined, "routes change between two turns");
      const next = others.map((route) => route.target);
      const gone = edges.filter((edge) => !next.includes(edge));
      assert(
        gone.every((edge) => edge.unsettled().size === 0),
        "an edge goes only when it is empty",
      );
      edges = next;
      lookup = createRouteTable(others);
    },
  };
}

/** Undefined where the edges charge alike. */
function leftOfEach(partition: Partition, targets: readonly Edge[], limitBytes: number) {
  const alike = targets.every(({ limit }) => limit.bytes === limitBytes);
  if (alike) return undefined;
  return targets.map((edge) => ({ bytes: edge.credit(partition).bytes, limit: edge.limit.bytes }));
}

function spendOnEach(each: readonly Left[], bytes: number): boolean {
  if (each.some((left) => left.bytes < Math.min(bytes, left.limit))) return false;
  for (const left of each) left.bytes -= Math.min(bytes, left.limit);
  return true;
}

/** Adds a packet to a run; false, and nothing done, when one of the targets has no credit for it. */
function addTo(run: Run, packet: Packet, seq: number): boolean {
  const charge = Math.min(packet.bytes, run.limitBytes);
  const fits =
    run.packetsLeft >= 1 &&
    (run.each ? spendOnEach(run.each, packet.bytes) : run.bytesLeft >= charge);
  if (!fits) {
    run.refused = packet.bytes;
    return false;
  }
  const { packets } = run;
  if (run.seqs) run.seqs.push(seq);
  else if (seq !== run.first + packets.length) {
    run.seqs = packets.map((_, i) => run.first + i);
    run.seqs.push(seq);
  }
  packets.push(packet);
  run.ident = packet.ident;
  run.packetsLeft--;
  run.bytesLeft -= charge;
  return true;
}
