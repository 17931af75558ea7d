import { createLateRef, type LateRef } from "#src/actor/late-ref.ts";
import type { System } from "#src/actor/system.ts";
import type { Clock } from "#src/clock.ts";
import { compileGraph } from "#src/config/compile.ts";
import type { Config, FilterEntry, InputEntry, OutputEntry } from "#src/config/config.ts";
import { createEdge, type Edge } from "#src/flow/edge.ts";
import {
  createFilterStats,
  createInputStats,
  createOutputStats,
  type FilterStats,
  type InputStats,
  type OutputStats,
  type UnroutedStats,
} from "#src/flow/node-stats.ts";
import { createOutlet, type Outlet } from "#src/flow/outlet.ts";
import type { Partition } from "#src/flow/partition.ts";
import { createPartitionSet, type PartitionSet } from "#src/flow/partition-set.ts";
import type { Log } from "#src/log.ts";
import type { Resource } from "#src/plugin/define.ts";
import type {
  FilterMessage,
  InputMessage,
  OutputMessage,
  RedriveMessage,
  RouterMessage,
} from "./protocol.ts";

/** One resource of an input: an actor of its own, with partitions of its own. */
export type InputNode = {
  readonly entry: InputEntry;
  readonly resource: Resource;
  readonly path: string;
  readonly ref: LateRef<InputMessage>;
  readonly edge: Edge;
  readonly partitions: PartitionSet;
  readonly stats: InputStats;
};

export type FilterNode = {
  readonly entry: FilterEntry;
  readonly path: string;
  readonly ref: LateRef<FilterMessage>;
  readonly outlet: Outlet;
  readonly stats: FilterStats;
};

export type OutputNode = {
  readonly entry: OutputEntry;
  readonly path: string;
  readonly ref: LateRef<OutputMessage>;
  readonly stats: OutputStats;
};

/** Everything between the actors: refs, edges, ledgers, counters. It outlives every restart. */
export type Wiring = {
  readonly inputs: readonly InputNode[];
  readonly filters: readonly FilterNode[];
  readonly outputs: readonly OutputNode[];
  readonly router: { readonly ref: LateRef<RouterMessage>; readonly outlet: Outlet };
  readonly redrive: {
    readonly ref: LateRef<RedriveMessage>;
    readonly edges: readonly Edge[];
    readonly partitions: PartitionSet;
  };
  /** Every edge of the graph, from the inputs on. */
  readonly edges: readonly Edge[];
  readonly unrouted: UnroutedStats;
  readonly graph: readonly { readonly from: string; readonly to: string }[];
};

export type WiringOptions = {
  readonly config: Config;
  readonly epoch: number;
  readonly clock: Clock;
  readonly log: Log;
};

/** Idents without a match that are named in the status; the count goes on. */
const UNROUTED_NAMED = 1000;

export function wire({ config, epoch, clock, log }: WiringOptions): Wiring {
  const { bus } = config;
  const graph = compileGraph(config).edges;
  const unrouted: UnroutedStats = { packets: 0, idents: new Set() };
  let lanes = 0;
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

  const outputs = config.outputs.map((entry): OutputNode => {
    const path = `engine/pipeline/outputs/${entry.name}`;
    return { entry, path, ref: createLateRef(path), stats: createOutputStats() };
  });
  const filterRefs = config.filters.map((entry) => {
    const path = `engine/pipeline/filters/${entry.name}`;
    return { entry, path, ref: createLateRef<FilterMessage>(path) };
  });
  const receivers = [...filterRefs, ...outputs];

  /** The edges from one sender to those of the receivers that the graph gives it. */
  function routesFrom(from: string, sender: LateRef<never>, receives: (name: string) => boolean) {
    return receivers
      .filter(({ entry }) => receives(entry.name))
      .map(({ entry, ref }) => ({
        match: entry.match,
        target: createEdge({ from, to: entry.name, sender, receiver: ref, limit: bus.edge }),
      }));
  }

  function onUnrouted(partition: Partition, ident: string, count: number): boolean {
    const isNew = !unrouted.idents.has(ident) && unrouted.idents.size < UNROUTED_NAMED;
    if (isNew) unrouted.idents.add(ident);
    if (bus.onUnrouted === "fail") {
      inputs.find(isOf(partition))?.ref.signal({ kind: "unrouted", ident });
      return false;
    }
    unrouted.packets += count;
    if (isNew) log.warn("nothing matches this ident; its packets are dropped", { ident });
    return true;
  }

  const filters = filterRefs.map((node): FilterNode => {
    const { name } = node.entry;
    const goes = (to: string) => graph.some((edge) => edge.from === name && edge.to === to);
    const routes = routesFrom(name, node.ref as LateRef<never>, goes);
    return { ...node, outlet: createOutlet({ routes, onUnrouted }), stats: createFilterStats() };
  });

  const routerRef = createLateRef<RouterMessage>("engine/pipeline/router");
  const inputNames = new Set(config.inputs.map(({ name }) => name));
  const fromInputs = (to: string) =>
    graph.some((edge) => inputNames.has(edge.from) && edge.to === to);
  const routes = routesFrom("router", routerRef as LateRef<never>, fromInputs);
  const router = { ref: routerRef, outlet: createOutlet({ routes, onUnrouted }) };

  const inputs = config.inputs.flatMap((entry) =>
    resourcesOf(entry).map((resource): InputNode => {
      const path = `engine/pipeline/inputs/${entry.name}.${resource.id}`;
      const ref = createLateRef<InputMessage>(path);
      const edge = createEdge({
        from: `${entry.name}.${resource.id}`,
        to: "router",
        sender: ref,
        receiver: routerRef,
        limit: bus.window,
      });
      const partitions = partitionSet(entry.name, resource.id);
      return { entry, resource, path, ref, edge, partitions, stats: createInputStats() };
    }),
  );

  const redriveRef = createLateRef<RedriveMessage>("engine/redrive");
  const redriveRoutes = routesFrom("redrive", redriveRef as LateRef<never>, () => true);
  const redrive = {
    ref: redriveRef,
    edges: redriveRoutes.map(({ target }) => target),
    partitions: partitionSet("redrive", "redrive"),
  };
  const edges = [
    ...inputs.map(({ edge }) => edge),
    ...router.outlet.edges,
    ...filters.flatMap(({ outlet }) => outlet.edges),
  ];
  return { inputs, filters, outputs, router, redrive, edges, unrouted, graph };
}

/** Ties the refs to the actors of a system, before it starts. */
export function bindWiring(wiring: Wiring, system: System): void {
  const { inputs, filters, outputs, router, redrive } = wiring;
  for (const { path, ref } of inputs) ref.bind(system.ref(path));
  for (const { path, ref } of filters) ref.bind(system.ref(path));
  for (const { path, ref } of outputs) ref.bind(system.ref(path));
  router.ref.bind(system.ref("engine/pipeline/router"));
  redrive.ref.bind(system.ref("engine/redrive"));
}

const isOf =
  (partition: Partition) =>
  ({ partitions: { key } }: InputNode): boolean =>
    key.input === partition.input && key.resource === partition.resource;

/** An input that names no resources reads one that has its own name. */
function resourcesOf({ name, plugin, config }: InputEntry): readonly Resource[] {
  return plugin.resources?.(config) ?? [{ id: name, label: name }];
}
