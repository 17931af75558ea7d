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
  flush(partition: Partition): void;
  settled(message: Settled): void;
  attached(message: Attached): void;
};

export type OutletOptions = {
  readonly routes: readonly Route<Edge>[];
  /** Told of packets that nothing matches; false leaves them where they are. */
  readonly onUnrouted: (partition: Partition, ident: string, count: number) => boolean;
};

/** Runs of packets with the same targets go out as ranges from this length on. */
const RANGE_MIN = 16;

export function createOutlet({ routes, onUnrouted }: OutletOptions): Outlet {
  const edges = routes.map((route) => route.target);
  const lookup = createRouteTable(routes);

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
    const { partition, packets, first } = delivery;
    let last = end;
    for (const edge of targets) {
      edge.flush(partition);
      last = begin + edge.fits(partition, packets, begin, last);
    }
    if (last === begin) return begin;
    partition.ledger.forkRange(first + begin, last - begin, targets.length);
    for (const edge of targets) edge.send(partition, packets, begin, last, first + begin);
    return last;
  }

  /** All targets or none. */
  function offerTo(targets: readonly Edge[], partition: Partition, packet: Packet, seq: number) {
    if (targets.length === 1) return (targets[0] as Edge).stage(partition, packet, seq);
    for (const edge of targets) if (!edge.canStage(partition, packet)) return false;
    for (const edge of targets) edge.stage(partition, packet, seq);
    return true;
  }

  function flush(partition: Partition): void {
    for (const edge of edges) edge.flush(partition);
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
    edges,
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
      flush(delivery.partition);
      return at - delivery.taken;
    },
    offer(partition, packet, seq) {
      const targets = lookup(packet.ident);
      if (targets.length === 0) return onUnrouted(partition, packet.ident, 1);
      return offerTo(targets, partition, packet, seq);
    },
    flush,
    settled(message) {
      edges.find((edge) => edge.to === message.delivery.edge.to)?.settled(message);
    },
    attached(message) {
      edges.find((edge) => edge.to === message.to)?.attached(message.incarnation);
    },
  };
}
