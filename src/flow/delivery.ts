import { DELIVERED, type Outcome } from "./outcome.ts";
import type { Packet } from "./packet.ts";
import type { Partition } from "./partition.ts";

/**
 * Packets of one partition on one edge, as a message. The sender keeps it until the receiver has
 * settled every packet of it, and sends what is left of it again when the receiver starts anew.
 */
export type Delivery = {
  readonly kind: "deliver";
  readonly edge: EdgeRef;
  readonly partition: Partition;
  readonly packets: readonly Packet[];
  /** Sequence numbers in the partition's ledger: `first + i`, unless `seqs` says otherwise. */
  readonly first: number;
  readonly seqs: readonly number[] | undefined;
  /** The credit in bytes that all of it was charged. */
  readonly charged: number;
  /** The receiver's incarnation that it was sent to; another one ignores it. */
  readonly incarnation: number;
  /** How many packets the receiver has dealt with, from the front. Kept by the receiver. */
  taken: number;
  /** How many packets are not settled. Kept by the sender, as is `done`. */
  open: number;
  /** Which packets are settled; made when a part of them is. */
  done: Uint8Array | undefined;
};

/** What a receiver knows of the edge: where its answers go. */
export type EdgeRef = {
  readonly from: string;
  readonly to: string;
  readonly sender: {
    readonly path: string;
    signal(message: Settled | Attached): void;
  };
  /**
   * The receiver waits for more of that partition before it settles what it has. True when no more
   * can come: the edge is out of credit for what is next, or the window is spent. Else it is told by
   * `hurry` when that comes true.
   */
  lingers(partition: Partition): boolean;
};

/** `delivery.packets[from..to)` are settled on this edge, and their credit comes back. */
export type Settled = {
  readonly kind: "settled";
  readonly delivery: Delivery;
  readonly from: number;
  readonly to: number;
  readonly outcome: Outcome;
};

/** A receiver has started and wants everything that it has not settled. */
export type Attached = {
  readonly kind: "attached";
  readonly to: string;
  readonly incarnation: number;
};

/** No more of that lane can come before something of it is settled: see `EdgeRef.lingers`. */
export type Hurry = { readonly kind: "hurry"; readonly lane: number };

/** What may go out has changed: a right was fenced, is in doubt, or is certain again. */
export type Emission = { readonly kind: "emission" };

export function seqOf(delivery: Delivery, index: number): number {
  return delivery.seqs ? (delivery.seqs[index] as number) : delivery.first + index;
}

/** Tells the sender that `delivery.packets[from..to)` ended with `outcome`. */
export function settle(delivery: Delivery, from: number, to: number, outcome: Outcome): void {
  if (to > from) delivery.edge.sender.signal({ kind: "settled", delivery, from, to, outcome });
}

/** Lets go of what is left of a delivery whose partition is fenced: it counts for nothing. */
export function discard(delivery: Delivery): void {
  const { taken, packets } = delivery;
  delivery.taken = packets.length;
  settle(delivery, taken, packets.length, DELIVERED);
}

/** Tells the senders of a receiver that it has started, and under which incarnation. */
export function attach(
  upstream: readonly { signal(message: Attached): void }[],
  to: string,
  incarnation: number,
): void {
  for (const sender of upstream) sender.signal({ kind: "attached", to, incarnation });
}
