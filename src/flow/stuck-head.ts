import type { Edge } from "./edge.ts";
import type { Head, PartitionSet } from "./partition-set.ts";

/** An oldest packet that has been it for too long, and the edges that it hangs on. */
export type Stuck = Head & { readonly edges: readonly Edge[] };

/**
 * The partitions whose checkpoint has waited for one packet for `afterMs` or longer. A packet that
 * is in flight but hangs on no edge was forgotten by dbus itself. Nothing is ever acked because it
 * is stuck.
 */
export function stuckHeads(
  partitions: PartitionSet,
  edges: readonly Edge[],
  afterMs: number,
): readonly Stuck[] {
  return partitions
    .heads()
    .filter(({ heldMs }) => heldMs >= afterMs)
    .map((head) => ({
      ...head,
      edges: edges.filter((edge) => edge.holds(head.partition, head.seq)),
    }));
}

/** An edge as people read it. */
export function edgeName({ from, to }: Pick<Edge, "from" | "to">): string {
  return `${from} -> ${to}`;
}
