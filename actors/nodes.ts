import type { LateRef } from "#src/actor/late-ref.ts";
import type { ResourceRecord } from "#src/cluster/records.ts";
import type { Graph } from "#src/config/compile.ts";
import type { Config, FilterEntry, InputEntry, OutputEntry } from "#src/config/config.ts";
import type { Overtaking } from "#src/deadletter/overtaking.ts";
import type { Edge } from "#src/flow/edge.ts";
import type { FilterStats, InputStats, OutputStats, UnroutedStats } from "#src/flow/node-stats.ts";
import type { Outlet } from "#src/flow/outlet.ts";
import type { PartitionSet } from "#src/flow/partition-set.ts";
import type { Resource } from "#src/plugin/resource.ts";
import type {
  BufferMessage,
  FilterMessage,
  InputMessage,
  OutputMessage,
  RedriveMessage,
  RouterMessage,
} from "./protocol.ts";
import type { Tenure } from "./tenure.ts";

/** One resource of an input: an actor of its own, with partitions of its own. */
export type InputNode = {
  readonly entry: InputEntry;
  readonly resource: Resource;
  readonly path: string;
  readonly ref: LateRef<InputMessage>;
  readonly edge: Edge;
  readonly partitions: PartitionSet;
  readonly stats: InputStats;
  readonly tenure: Tenure;
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
  /** What stands before it and takes its packets, when it has a buffer on disk. */
  readonly buffer: BufferNode | undefined;
};

export type BufferNode = {
  readonly path: string;
  readonly ref: LateRef<BufferMessage>;
  /** To the output. */
  readonly edge: Edge;
};

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
  /** A number for the lane of a partition, which no other one has. */
  nextLane(): number;
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

/** An input that names no resources reads one that has its own name. */
export function resourcesOf({ name, plugin, config }: InputEntry): readonly Resource[] {
  return plugin.resources?.(config) ?? [{ id: name, label: name }];
}

/** What a cluster hands to one participant at a time: all but what each of them reads for itself. */
export function sharedResources({ inputs }: Pick<Config, "inputs">): readonly ResourceRecord[] {
  return inputs
    .filter(({ plugin }) => !plugin.everywhere)
    .flatMap((entry) =>
      resourcesOf(entry).map(({ id }) => {
        const { cost, group = null, tags, tenant = null } = entry;
        const share = { cost, group, tags: [...tags], tenant };
        return { input: entry.name, resource: id, ...share };
      }),
    );
}
