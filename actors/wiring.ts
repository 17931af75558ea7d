import { createLateRef } from "#src/actor/late-ref.ts";
import type { System } from "#src/actor/system.ts";
import type { Clock } from "#src/clock.ts";
import { compileGraph } from "#src/config/compile.ts";
import type { Config, FilterEntry, InputEntry, OutputEntry } from "#src/config/config.ts";
import { createOvertaking } from "#src/deadletter/overtaking.ts";
import { attach } from "#src/flow/delivery.ts";
import { createEdge, type Edge } from "#src/flow/edge.ts";
import {
  createFilterStats,
  createInputStats,
  createOutputStats,
  type UnroutedStats,
} from "#src/flow/node-stats.ts";
import { createOutlet } from "#src/flow/outlet.ts";
import type { Partition } from "#src/flow/partition.ts";
import { createPartitionSet, type PartitionSet } from "#src/flow/partition-set.ts";
import type { ComparePositions } from "#src/flow/position.ts";
import type { Log } from "#src/log.ts";
import type { Resource } from "#src/plugin/resource.ts";
import {
  type AnyRef,
  buffersOf,
  type EdgeEnd,
  type Edges,
  edgesOf,
  intakeOf,
  isTo,
  receiversOf,
  redriveEnd,
  type Sender,
} from "./edge-ends.ts";
import { forgettersOf } from "./forgetting.ts";
import {
  type BufferNode,
  type FilterNode,
  type InputNode,
  type OutputNode,
  resourcesOf,
  type Wiring,
} from "./nodes.ts";
import type { BufferMessage, InputMessage, RedriveMessage, RouterMessage } from "./protocol.ts";
import { createTenure } from "./tenure.ts";

export type { BufferNode, FilterNode, InputNode, Leaving, OutputNode, Wiring } from "./nodes.ts";

export type WiringOptions = {
  readonly config: Config;
  readonly epoch: number;
  readonly clock: Clock;
  readonly log: Log;
};

type Nodes = Pick<Wiring, "config" | "inputs" | "filters" | "outputs" | "graph">;
/** Idents without a match that are named in the status; the count goes on. */
const UNROUTED_NAMED = 1000;

export function wire({ config: first, epoch, clock, log }: WiringOptions): Wiring {
  const { bus } = first;
  const unrouted: UnroutedStats = { packets: 0, idents: new Set() };
  /** Under which incarnation each receiver has attached last. */
  const incarnations = new WeakMap<object, number>();
  let lanes = 0;
  let now: Nodes = { config: first, inputs: [], filters: [], outputs: [], graph: [] };
  let redriveEdges: readonly Edge[] = [];

  const partitionSet = (
    input: string,
    resource: string,
    compare?: ComparePositions,
  ): PartitionSet =>
    createPartitionSet({
      input,
      resource,
      compare,
      sinks: () => forgettersOf(now, { input, resource }, clock),
      window: bus.window,
      epoch,
      nextLane: () => ++lanes,
      now: clock.now,
      after: clock.after,
    });

  function onUnrouted(partition: Partition, ident: string, count: number): boolean {
    const isNew = !unrouted.idents.has(ident) && unrouted.idents.size < UNROUTED_NAMED;
    if (isNew) unrouted.idents.add(ident);
    if (bus.onUnrouted === "fail") {
      now.inputs.find(isOf(partition))?.ref.signal({ kind: "unrouted", ident });
      return false;
    }
    unrouted.packets += count;
    if (isNew) log.warn("nothing matches this ident; its packets are dropped", { ident });
    return true;
  }

  const router = {
    ref: createLateRef<RouterMessage>("engine/pipeline/router"),
    outlet: createOutlet({ routes: [], onUnrouted }),
  };
  const redrive = {
    ref: createLateRef<RedriveMessage>("engine/redrive"),
    partitions: partitionSet("redrive", "redrive"),
    get edges() {
      return redriveEdges;
    },
  };

  function inputNode(entry: InputEntry, resource: Resource): InputNode {
    const from = `${entry.name}.${resource.id}`;
    const path = `engine/pipeline/inputs/${from}`;
    const ref = createLateRef<InputMessage>(path);
    const incarnation = incarnations.get(router.ref) ?? 0;
    const ends = { from, to: "router", sender: ref, receiver: router.ref };
    const edge = createEdge({ ...ends, limit: bus.window, incarnation });
    const compare = entry.plugin.order?.(entry.config);
    const partitions = partitionSet(entry.name, resource.id, compare);
    const tenure = createTenure(entry.plugin.everywhere === true);
    return { entry, resource, path, ref, edge, partitions, stats: createInputStats(), tenure };
  }

  function filterNode(entry: FilterEntry): FilterNode {
    const path = `engine/pipeline/filters/${entry.name}`;
    const outlet = createOutlet({ routes: [], onUnrouted });
    return { entry, path, ref: createLateRef(path), outlet, stats: createFilterStats() };
  }

  function outputNode(entry: OutputEntry): OutputNode {
    const path = `engine/pipeline/outputs/${entry.name}`;
    return buffered({
      entry,
      path,
      ref: createLateRef(path),
      stats: createOutputStats(),
      buffer: undefined,
    });
  }

  /** The node with what stands before it: a buffer, when it has one on disk. */
  function buffered(node: OutputNode): OutputNode {
    const { entry, ref, buffer } = node;
    if (entry.buffer.kind === "memory") return { ...node, buffer: undefined };
    return buffer ? node : { ...node, buffer: bufferNode(entry.name, ref) };
  }

  function bufferNode(name: string, receiver: OutputNode["ref"]): BufferNode {
    const path = `engine/pipeline/buffers/${name}`;
    const ref = createLateRef<BufferMessage>(path);
    const incarnation = incarnations.get(receiver) ?? 0;
    const ends = { from: `${name} buffer`, to: name, sender: ref, receiver };
    const edge = createEdge({ ...ends, limit: bus.edge, incarnation });
    return { path, ref, edge };
  }

  function nodesOf(config: Config): Nodes {
    const { edges: graph } = compileGraph(config);
    const inputs = config.inputs.flatMap((entry) =>
      resourcesOf(entry).map((resource): InputNode => {
        const same = now.inputs.find(
          (node) => node.entry.name === entry.name && node.resource.id === resource.id,
        );
        return same ? { ...same, entry, resource } : inputNode(entry, resource);
      }),
    );
    const filters = config.filters.map((entry): FilterNode => {
      const same = now.filters.find((node) => node.entry.name === entry.name);
      return same ? { ...same, entry } : filterNode(entry);
    });
    const outputs = config.outputs.map((entry): OutputNode => {
      const same = now.outputs.find((node) => node.entry.name === entry.name);
      return same ? buffered({ ...same, entry }) : outputNode(entry);
    });
    return { config, inputs, filters, outputs, graph };
  }

  function sendersOf(nodes: Nodes): readonly Sender[] {
    const inputs = nodes.inputs.map(({ entry }) => entry.name);
    const { outlet } = router;
    return [
      { from: "router", ref: router.ref as AnyRef, outlet, to: receiversOf(nodes, inputs) },
      ...nodes.filters.map(({ entry: { name }, ref, outlet }) => {
        return { from: name, ref: ref as AnyRef, outlet, to: receiversOf(nodes, [name]) };
      }),
    ];
  }

  /** The edge that there is already, else a new one. */
  function edgeTo(to: EdgeEnd, from: string, sender: AnyRef, edges: Edges) {
    const { ref, name, limit } = to;
    const known = edges.find((edge) => isTo(edge, to));
    const incarnation = incarnations.get(ref) ?? 0;
    const ends = { from, to: name, sender, receiver: ref };
    return known ?? createEdge({ ...ends, limit, incarnation });
  }

  const wiring: Wiring = {
    get config() {
      return now.config;
    },
    get inputs() {
      return now.inputs;
    },
    get filters() {
      return now.filters;
    },
    get outputs() {
      return now.outputs;
    },
    get edges() {
      const inner = [...sendersOf(now), ...buffersOf(now)];
      return [...now.inputs.map(({ edge }) => edge), ...inner.flatMap(edgesOf)];
    },
    get graph() {
      return now.graph;
    },
    router,
    redrive,
    overtaking: createOvertaking(),
    unrouted,
    nextLane: () => ++lanes,
    attached(receiver, incarnation) {
      incarnations.set(receiver, incarnation);
      if (receiver === router.ref) {
        attach(
          now.inputs.map(({ ref }) => ref),
          "router",
          incarnation,
        );
        return;
      }
      const senders = [...sendersOf(now), ...buffersOf(now)];
      const all = [...senders, { ref: redrive.ref as AnyRef, outlet: redrive }];
      for (const { ref, outlet } of all) {
        const edge = outlet.edges.find((one) => one.receiver === receiver);
        if (edge) attach([ref], edge.to, incarnation);
      }
    },
    leaving(config) {
      const next = nodesOf(config);
      const stays = (edges: Edges, to: readonly EdgeEnd[]) =>
        edges.filter((edge) => to.some((end) => isTo(edge, end)));
      const staying = new Set([
        ...sendersOf(next).flatMap(({ outlet, to }) =>
          stays(
            outlet.edges,
            to.map((one) => intakeOf(one, bus)),
          ),
        ),
        ...stays(
          redriveEdges,
          [...next.filters, ...next.outputs].map((one) => redriveEnd(one, bus)),
        ),
      ]);
      // What is behind a buffer hangs on the edge into it too, or is on the disk.
      const all = [...sendersOf(now).flatMap(edgesOf), ...redriveEdges];
      return {
        edges: all.filter((edge) => !staying.has(edge)),
        inputs: now.inputs.filter(({ ref }) => !next.inputs.some((node) => node.ref === ref)),
      };
    },
    rewire(config) {
      now = nodesOf(config);
      for (const { buffer, stats } of now.outputs) if (!buffer) stats.buffer = null;
      for (const { from, ref, outlet, to } of sendersOf(now)) {
        const { edges } = outlet;
        outlet.reroute(
          to.map((node) => ({
            match: node.entry.match,
            target: edgeTo(intakeOf(node, bus), from, ref, edges),
          })),
        );
      }
      redriveEdges = [...now.filters, ...now.outputs].map((node) =>
        edgeTo(redriveEnd(node, bus), "redrive", redrive.ref as AnyRef, redriveEdges),
      );
    },
  };
  wiring.rewire(first);
  return wiring;
}

/** Ties the refs to the actors of a system, before they start; again after `rewire`. */
export function bindWiring(wiring: Wiring, system: System): void {
  const { inputs, filters, outputs, router, redrive } = wiring;
  for (const { path, ref } of inputs) ref.bind(system.ref(path));
  for (const { path, ref } of filters) ref.bind(system.ref(path));
  for (const { path, ref, buffer } of outputs) {
    ref.bind(system.ref(path));
    buffer?.ref.bind(system.ref(buffer.path));
  }
  router.ref.bind(system.ref(router.ref.path));
  redrive.ref.bind(system.ref(redrive.ref.path));
}

const isOf =
  (partition: Partition) =>
  ({ partitions: { key } }: InputNode): boolean =>
    key.input === partition.input && key.resource === partition.resource;
