import { join } from "node:path";
import type { KafkaRoundPlan } from "./plan.ts";

/** Where a dbusd of a round finds things. */
export type KafkaPlaces = {
  readonly sourcePort: number;
  /** Of the broker that gets the copy, or of Elasticsearch. */
  readonly sinkPort: number;
  /** Topics, indices and the group begin with it. */
  readonly name: string;
  readonly topics: readonly string[];
  readonly stateDir: string;
  /** Where the records begin that the round is about. */
  readonly start: unknown;
};

/** The configuration of a dbusd, as a user would write it. */
export function kafkaConfigOf(
  plan: KafkaRoundPlan,
  places: KafkaPlaces,
): Readonly<Record<string, unknown>> {
  return {
    bus: { ...plan.bus, onUnrouted: "fail" },
    state: { dir: places.stateDir },
    log: { format: "json" },
    inputs: [inputOf(plan, places)],
    filters: filtersOf(plan, places),
    outputs: [outputOf(plan, places)],
  };
}

function inputOf({ input }: KafkaRoundPlan, places: KafkaPlaces): object {
  const { name, topics, sourcePort, start } = places;
  const { driver, members, format, fetchBytesMax, partitionBytesMax, requestTimeoutMs } = input;
  const { sessionTimeoutMs, commitMs } = input;
  const group = {
    ...{ groupId: `${name}-group`, sessionTimeoutMs, commitMs },
    ...{ heartbeatMs: 250, rebalanceTimeoutMs: 6_000 },
  };
  return {
    ...{ name: "from", plugin: "KafkaInput", brokers: [`127.0.0.1:${sourcePort}`], driver },
    ...(input.by === "names" ? { topics } : { topicPattern: `${name}[.]t[0-9]+` }),
    ...(members === 0 ? {} : group),
    ...{ start, format, fetchBytesMax, partitionBytesMax, requestTimeoutMs },
    ...{ refreshMs: 500, fetchWaitMs: 100, drainMs: 2_000, connectTimeoutMs: 1_000 },
  };
}

function filtersOf({ filter }: KafkaRoundPlan, { topics }: KafkaPlaces): unknown[] {
  if (filter === undefined) return [];
  const common = { name: "kept", match: topics };
  const when = (digit: number) => `key == null || !string(key).endsWith("${digit}")`;
  switch (filter.kind) {
    case "route":
      return [
        {
          ...{ ...common, plugin: "RouteFilter" },
          rules: [{ when: when(filter.digit), ident: "kept.${ident}" }],
        },
      ];
    case "where":
      return [{ ...common, plugin: "WhereFilter", when: when(filter.digit) }];
    case "rename":
      return [{ ...common, plugin: "RenameFilter", fields: { pad: "filler" } }];
    case "throttle":
      return [{ ...common, plugin: "ThrottleFilter", perSecond: filter.perSecond }];
  }
}

/** Under which ident a topic's records come to the output. */
export function identOf({ filter }: Pick<KafkaRoundPlan, "filter">, topic: string): string {
  if (filter === undefined) return topic;
  return filter.kind === "route" ? `kept.${topic}` : "kept";
}

/** The topic or index that a topic's records are written to. */
export function sinkNameOf(
  plan: Pick<KafkaRoundPlan, "filter">,
  { name, topic }: { readonly name: string; readonly topic: string },
): string {
  return `${name}-to.${identOf(plan, topic)}`;
}

function outputOf({ output, diskBuffer, filter }: KafkaRoundPlan, places: KafkaPlaces): object {
  const { name, sinkPort, topics } = places;
  const idents = topics.map((topic) => identOf({ filter }, topic));
  const common = {
    ...{ name: "to", match: [...new Set(idents)], batch: output.batch },
    retry: { times: 5, delayMs: 50, delayMsMax: 500 },
    ...(diskBuffer ? { buffer: { kind: "disk" } } : {}),
    requestTimeoutMs: output.requestTimeoutMs,
  };
  if (output.name === "elasticsearch") {
    return {
      ...{ ...common, plugin: "EsOutput", nodes: [`http://127.0.0.1:${sinkPort}`] },
      ...{ index: `${name}-to.\${ident}`, lineageIndex: `${name}-lineages` },
      createIndices: { dynamic: "false", shards: 1, replicas: 0 },
      bulkBytesMax: output.bulkBytesMax,
    };
  }
  const { driver, partition, partitions, headers, batchBytesMax, compression } = output;
  return {
    ...{ ...common, plugin: "KafkaOutput", brokers: [`127.0.0.1:${sinkPort}`], driver },
    ...{ topic: `${name}-to.\${ident}`, partition, headers, batchBytesMax, compression },
    createTopics: {
      ...(partition === "source" ? {} : { partitions }),
      replicationFactor: 1,
    },
    connectTimeoutMs: 1_000,
  };
}

/** The state of each dbusd is its own. */
export const folderOf = (dir: string, which: number): string => join(dir, `dbusd-${which + 1}`);
