import type { CreditLimit } from "#src/actor/credit.ts";
import type { LateRef } from "#src/actor/late-ref.ts";
import type { Graph } from "#src/config/compile.ts";
import type { BusConfig, OutputEntry } from "#src/config/config.ts";
import type { Edge } from "#src/flow/edge.ts";
import type { Outlet } from "#src/flow/outlet.ts";
import type { BufferNode, FilterNode, OutputNode } from "./nodes.ts";

export type AnyRef = LateRef<never>;
export type Edges = readonly Edge[];
export type Receiver = FilterNode | OutputNode;

/** The end of an edge at its receiver. */
export type EdgeEnd = {
  readonly ref: Receiver["ref"] | BufferNode["ref"];
  readonly name: string;
  readonly limit: CreditLimit;
};

/** A node that sends to filters and outputs, and those that the graph gives it. */
export type Sender = {
  readonly from: string;
  readonly ref: AnyRef;
  readonly outlet: Outlet;
  readonly to: readonly Receiver[];
};

/** Where packets for a node go in: its buffer, where it has one on disk. */
export function intakeOf(node: Receiver, bus: BusConfig): EdgeEnd {
  const { entry, ref } = node;
  const { name } = entry;
  if (!("buffer" in node)) return { ref, name, limit: bus.edge };
  return { ref: node.buffer?.ref ?? ref, name, limit: limitOf(node.entry, bus) };
}

/** A buffer in memory is credit: as many bytes as it says, and as many packets as can come. */
function limitOf({ buffer }: OutputEntry, { edge, window }: BusConfig): CreditLimit {
  if (buffer.kind === "disk" || buffer.bytesMax === 0) return edge;
  return { packets: window.packets, bytes: Math.min(buffer.bytesMax, window.bytes) };
}

/** Dead letters go past the buffer: they have lost their place in the order anyway. */
export function redriveEnd({ ref, entry: { name } }: Receiver, { edge }: BusConfig): EdgeEnd {
  return { ref, name, limit: edge };
}

export function isTo({ receiver, limit }: Edge, to: EdgeEnd): boolean {
  const same = limit.packets === to.limit.packets && limit.bytes === to.limit.bytes;
  return receiver === to.ref && same;
}

export function edgesOf({ outlet }: { readonly outlet: { readonly edges: Edges } }): Edges {
  return outlet.edges;
}

/** What stands before outputs, as a sender to them. */
export function buffersOf({ outputs }: { readonly outputs: readonly OutputNode[] }) {
  return outputs.flatMap(({ buffer }) =>
    buffer ? [{ ref: buffer.ref as AnyRef, outlet: { edges: [buffer.edge] } }] : [],
  );
}

type Nodes = {
  readonly filters: readonly FilterNode[];
  readonly outputs: readonly OutputNode[];
  readonly graph: Graph["edges"];
};

export function receiversOf({ filters, outputs, graph }: Nodes, from: readonly string[]) {
  const senders = new Set(from);
  const to = new Set(graph.filter((edge) => senders.has(edge.from)).map((edge) => edge.to));
  return [...filters, ...outputs].filter(({ entry }): boolean => to.has(entry.name));
}
