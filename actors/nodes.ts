import type { LateRef } from "#src/actor/late-ref.ts";
import type { ResourceRecord } from "#src/cluster/records.ts";
import type { Config, FilterEntry, InputEntry, OutputEntry } from "#src/config/config.ts";
import type { Edge } from "#src/flow/edge.ts";
import type { FilterStats, InputStats, OutputStats } from "#src/flow/node-stats.ts";
import type { Outlet } from "#src/flow/outlet.ts";
import type { PartitionSet } from "#src/flow/partition-set.ts";
import type { Resource } from "#src/plugin/define.ts";
import type { FilterMessage, InputMessage, OutputMessage } from "./protocol.ts";
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
};

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
