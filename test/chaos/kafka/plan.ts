import type { BatchPlan, BusPlan, EsPlan, PlannedFault } from "../round-plan.ts";

/** What a round does whose source is Kafka, all of it drawn from its seed. */
export type KafkaRoundPlan = {
  readonly kind: "kafka";
  readonly seed: number;
  readonly input: InputPlan;
  readonly bus: BusPlan;
  readonly filter: FilterPlan | undefined;
  readonly output: CopyPlan | EsPlan;
  /** Packets that the sink cannot take wait on disk. */
  readonly diskBuffer: boolean;
  readonly workload: KafkaWorkloadPlan;
  /** As in other rounds; the disk is that of the first dbusd. */
  readonly smallDisk: boolean;
  readonly failingSync: number | undefined;
  readonly loadMs: number;
  readonly faults: readonly PlannedFault[];
  readonly startAgain: boolean;
};

export type Driver = "kafkajs" | "platformatic";

export type InputPlan = {
  readonly driver: Driver;
  readonly by: "names" | "pattern";
  /** Partitions of each topic. */
  readonly topics: readonly number[];
  /** The last topic is made in the middle of the load; only by a pattern. */
  readonly lateTopic: boolean;
  /** How many dbusd are members of one group; 0 is one without a group. */
  readonly members: 0 | 1 | 2;
  /** Where it begins: with what the topics hold already, or behind it. */
  readonly start: "earliest" | "timestamp" | "offsets";
  readonly format: "bytes" | "json";
  readonly fetchBytesMax: number;
  readonly partitionBytesMax: number;
  readonly requestTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  readonly commitMs: number;
};

/**
 * `route` leaves out the keys that end in a digit and gives each topic another ident; the others are
 * for one topic alone, since they give all packets one ident.
 */
export type FilterPlan =
  | { readonly kind: "route" | "where"; readonly digit: number }
  | { readonly kind: "rename" }
  | { readonly kind: "throttle"; readonly perSecond: number };

export type CopyPlan = {
  readonly name: "kafka";
  readonly driver: Driver;
  readonly partition: "source" | "key";
  /** Of the topics of the copy; only where it is by key. */
  readonly partitions: number;
  /** Whether dbus adds headers of its own. */
  readonly headers: boolean;
  readonly batch: BatchPlan;
  readonly batchBytesMax: number;
  readonly compression: "none" | "gzip" | "zstd";
  readonly requestTimeoutMs: number;
};

export type KafkaWorkloadPlan = {
  readonly writers: number;
  readonly keys: number;
  readonly pauseMsMax: number;
  readonly batchMax: number;
  readonly padMax: number;
  readonly nullKeys: boolean;
  /** The share of batches that are transactions, a third of which is aborted. */
  readonly transactions: number;
  readonly burst: { readonly atMs: number; readonly records: number } | undefined;
  readonly backlogMs: number;
};

const membersText = ["alone", "a group of one", "two dbusd in a group"];

function filterText(filter: FilterPlan | undefined): string {
  if (filter === undefined) return "no filter";
  if (filter.kind === "throttle") return `${filter.perSecond} packets a second at most`;
  return `filter ${filter.kind}`;
}

function outputText({ output, diskBuffer }: KafkaRoundPlan): string {
  const buffer = diskBuffer ? ", buffer on disk" : "";
  if (output.name === "elasticsearch") {
    return `Elasticsearch (bulks of ${output.bulkBytesMax} bytes${buffer})`;
  }
  const { driver, partition, compression } = output;
  return `Kafka (${driver}, partition ${partition}, ${compression}${buffer})`;
}

/** A plan as people read it, in one line without the faults. */
export function kafkaPlanText(plan: KafkaRoundPlan): string {
  const { input, bus, workload } = plan;
  const late = input.lateTopic ? ", the last one late" : "";
  return [
    `Kafka (${input.driver}, topics of ${input.topics.join(" and ")} partitions by ${input.by}${late})`,
    `${membersText[input.members]} from ${input.start}, ${input.format}`,
    filterText(plan.filter),
    `to ${outputText(plan)}`,
    `window ${bus.window.packets}, edge ${bus.edge.packets}`,
    `checkpoint each ${bus.checkpointIntervalMs} ms`,
    ...(workload.burst === undefined ? [] : [`a burst of ${workload.burst.records} records`]),
    ...(plan.smallDisk ? ["state on a small disk"] : []),
    ...(plan.failingSync === undefined ? [] : [`sync ${plan.failingSync} fails`]),
  ].join(", ");
}
