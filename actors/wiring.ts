import { createLateRef, type LateRef } from "#src/actor/late-ref.ts";
import type { System } from "#src/actor/system.ts";
import type { Clock } from "#src/clock.ts";
import { compileGraph, type Graph } from "#src/config/compile.ts";
import type { Config, FilterEntry, InputEntry, OutputEntry } from "#src/config/config.ts";
import { createOvertaking, type Overtaking } from "#src/deadletter/overtaking.ts";
import { attach } from "#src/flow/delivery.ts";
import { createEdge, type Edge } from "#src/flow/edge.ts";
import {
  createFilterStats,
  createInputStats,
  createOutputStats,
  type UnroutedStats,
} from "#src/flow/node-stats.ts";
import { createOutlet, type Outlet } from "#src/flow/outlet.ts";
import type { Partition } from "#src/flow/partition.ts";
import { createPartitionSet, type PartitionSet } from "#src/flow/partition-set.ts";
import type { Log } from "#src/log.ts";
import type { Resource } from "#src/plugin/define.ts";
import { type FilterNode, type InputNode, type OutputNode, resourcesOf } from "./nodes.ts";
import type { InputMessage, RedriveMessage, RouterMessage } from "./protocol.ts";
import { createTenure } from "./tenure.ts";

export type { FilterNode, InputNode, OutputNode } from "./nodes.ts";

/**
 * Everything between the actors: refs, edges, ledgers, counters. It outlives every restart, and
 * `rewire` gives it the graph of another config while the actors run: whoever keeps the wiring
 * itself, and not what it got from it once, sees what is there now.
 */
export type Wiring = {
  readonly config: Config;
  readonly inputs: readonly InputNode[];
  readonly filters: readonly FilterNode[];
  readonly outputs: readonly OutputNode[];
  readonly router: { readonly ref: LateRef<RouterMessage>; readonly outlet: Outlet };
  readonly redrive: {
    readonly ref: LateRef<RedriveMessage>;
    readonly edges: readonly Edge[];
    readonly partitions: PartitionSet;
  };
  /** Which dead letters were overtaken by newer packets of their key. */
  readonly overtaking: Overtaking;
  /** Every edge of the graph, from the inputs on. */
  readonly edges: readonly Edge[];
  readonly unrouted: UnroutedStats;
  readonly graph: Graph["edges"];
  /** A receiver has started: tells all who send to it, and whoever will. */
  attached(receiver: object, incarnation: number): void;
  /** The edges and inputs that are not in the graph of that config. */
  leaving(config: Config): Leaving;
  /**
   * Takes the graph of another config, in one turn. Nodes of the same kind and name stay, with all
   * that is on their edges; `leaving` edges must be empty. Afterwards refs are to be bound.
   */
  rewire(config: Config): void;
};

export type Leaving = { readonly edges: readonly Edge[]; readonly inputs: readonly InputNode[] };

export type WiringOptions = {
  readonly config: Config;
  readonly epoch: number;
  readonly clock: Clock;
  readonly log: Log;
};

type Nodes = Pick<Wiring, "config" | "inputs" | "filters" | "outputs" | "graph">;
type AnyRef = LateRef<never>;
type Edges = readonly Edge[];
type Receiver = FilterNode | OutputNode;
/** A node that sends to filters and outputs, and those that the graph gives it. */
type Sender = {
  readonly from: string;
  readonly ref: AnyRef;
  readonly outlet: Outlet;
  readonly to: readonly Receiver[];
};

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

  const partitionSet = (input: string, resource: string): PartitionSet =>
    createPartitionSet({
      input,
      resource,
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
    const partitions = partitionSet(entry.name, resource.id);
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
    return { entry, path, ref: createLateRef(path), stats: createOutputStats() };
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
      return same ? { ...same, entry } : outputNode(entry);
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
  function edgeTo({ ref, entry: { name } }: Receiver, from: string, sender: AnyRef, edges: Edges) {
    const known = edges.find(({ receiver }) => receiver === ref);
    const incarnation = incarnations.get(ref) ?? 0;
    const ends = { from, to: name, sender, receiver: ref };
    return known ?? createEdge({ ...ends, limit: bus.edge, incarnation });
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
      return [...now.inputs.map(({ edge }) => edge), ...sendersOf(now).flatMap(edgesOf)];
    },
    get graph() {
      return now.graph;
    },
    router,
    redrive,
    overtaking: createOvertaking(),
    unrouted,
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
      const all = [...sendersOf(now), { ref: redrive.ref as AnyRef, outlet: redrive }];
      for (const { ref, outlet } of all) {
        const edge = outlet.edges.find((one) => one.receiver === receiver);
        if (edge) attach([ref], edge.to, incarnation);
      }
    },
    leaving(config) {
      const next = nodesOf(config);
      const stays = (edges: Edges, to: readonly Receiver[]) =>
        edges.filter(({ receiver }) => to.some(({ ref }) => ref === receiver));
      const staying = new Set([
        ...sendersOf(next).flatMap(({ outlet, to }) => stays(outlet.edges, to)),
        ...stays(redriveEdges, [...next.filters, ...next.outputs]),
      ]);
      const all = [...sendersOf(now).flatMap(edgesOf), ...redriveEdges];
      return {
        edges: all.filter((edge) => !staying.has(edge)),
        inputs: now.inputs.filter(({ ref }) => !next.inputs.some((node) => node.ref === ref)),
      };
    },
    rewire(config) {
      now = nodesOf(config);
      for (const { from, ref, outlet, to } of sendersOf(now)) {
        const { edges } = outlet;
        outlet.reroute(
          to.map((node) => ({ match: node.entry.match, target: edgeTo(node, from, ref, edges) })),
        );
      }
      redriveEdges = [...now.filters, ...now.outputs].map((node) =>
        edgeTo(node, "redrive", redrive.ref as AnyRef, redriveEdges),
      );
    },
  };
  wiring.rewire(first);
  return wiring;
}

const edgesOf = ({ outlet }: Sender): Edges => outlet.edges;

function receiversOf({ filters, outputs, graph }: Nodes, from: readonly string[]): Receiver[] {
  const senders = new Set(from);
  const to = new Set(graph.filter((edge) => senders.has(edge.from)).map((edge) => edge.to));
  return [...filters, ...outputs].filter(({ entry }) => to.has(entry.name));
}

/** Ties the refs to the actors of a system, before they start; again after `rewire`. */
export function bindWiring(wiring: Wiring, system: System): void {
  const { inputs, filters, outputs, router, redrive } = wiring;
  for (const { path, ref } of inputs) ref.bind(system.ref(path));
  for (const { path, ref } of filters) ref.bind(system.ref(path));
  for (const { path, ref } of outputs) ref.bind(system.ref(path));
  router.ref.bind(system.ref(router.ref.path));
  redrive.ref.bind(system.ref(redrive.ref.path));
}

const isOf =
  (partition: Partition) =>
  ({ partitions: { key } }: InputNode): boolean =>
    key.input === partition.input && key.resource === partition.resource;
