import { join } from "node:path";
import type { OutputPlan, RoundPlan, RoutePlan } from "./round-plan.ts";
import type { Source } from "./source.ts";

/** Where a round's dbusd finds things: the servers behind their proxies, and its folders. */
export type Places = {
  readonly source: Source;
  readonly mysqlPort: number;
  readonly kafkaPort: number | undefined;
  readonly esPort?: number | undefined;
  /** Topics and indices begin with it. */
  readonly topic: string;
  readonly dir: string;
  readonly stateDir: string;
};

/** The file of the user's own filter, in the folder of the config. */
export const ownFilter = "own-filter.ts";

/** The configuration of a round, as a user would write it. */
export function configOf(plan: RoundPlan, places: Places): Readonly<Record<string, unknown>> {
  const { source, mysqlPort } = places;
  const { user, password, db } = source;
  const { gtid, heartbeatMs, connectTimeoutMs } = plan.source;
  return {
    bus: { ...plan.bus, onUnrouted: "fail" },
    state: { dir: places.stateDir },
    log: { format: "json" },
    inputs: [
      {
        ...{ name: "ledger", plugin: "MysqlbinlogInput" },
        dsn: `mysql://${user}:${password}@127.0.0.1:${mysqlPort}/`,
        tables: [`${db}.item`, `${db}.txn`],
        ...{ start: source.start, gtid, heartbeatMs, connectTimeoutMs },
      },
    ],
    filters: filtersOf(plan),
    outputs: plan.outputs.map((output, index) => {
      const match = matchOf(plan.route, output, index);
      return { name: output.name, match, ...fieldsOf(output, places) };
    }),
  };
}

const byTableIdents = ["rows.item", "rows.txn"];

function filtersOf({ route, outputs }: RoundPlan): unknown[] {
  const filters: unknown[] = [];
  if (route.byTable) {
    filters.push({
      ...{ name: "tables", plugin: "MysqlbinlogFilter", match: "ledger" },
      rules: [{ ident: "rows.${tbl}" }],
    });
  }
  if (route.own !== undefined) {
    const { dropWriter, dropTxnEvery } = route.own;
    filters.push({
      ...{ name: "own", plugin: `./${ownFilter}` },
      match: route.byTable ? byTableIdents : "ledger",
      ...(dropWriter === undefined ? {} : { dropWriter }),
      ...(dropTxnEvery === undefined ? {} : { dropTxnEvery }),
      to: outputs.map(({ takes }, index) => ({
        ident: `own.${index}`,
        ...(takes === "all" ? {} : { table: takes }),
      })),
    });
  }
  return filters;
}

function matchOf(route: RoutePlan, { takes }: OutputPlan, index: number): string | string[] {
  if (route.own !== undefined) return `own.${index}`;
  if (!route.byTable) return "ledger";
  return takes === "item" ? "rows.item" : byTableIdents;
}

function fieldsOf(output: OutputPlan, places: Places): unknown & object {
  const { dir, kafkaPort, topic } = places;
  const retry = { times: 5, delayMs: 50, delayMsMax: 500 };
  if (output.name === "elasticsearch") {
    const { batch, bulkBytesMax, requestTimeoutMs } = output;
    return {
      ...{ plugin: "EsOutput", nodes: [`http://127.0.0.1:${places.esPort}`], batch, retry },
      ...{ index: `${topic}.\${tbl}`, lineageIndex: `${topic}-lineages`, dates: "sql" },
      createIndices: { dynamic: "false", shards: 1, replicas: 0 },
      ...{ bulkBytesMax, requestTimeoutMs },
    };
  }
  const { format, bigint, batch } = output;
  const common = { format, bigint, batch, retry };
  if (output.name === "file") {
    const { fsync, rotateBytes } = output;
    const rotate = { bytesMax: rotateBytes, filesMax: 100_000 };
    return {
      ...common,
      ...{ plugin: "StreamOutput", file: join(dir, "out", "rows.ndjson"), fsync },
      ...(rotateBytes === undefined ? {} : { rotate }),
    };
  }
  const { batchBytesMax, compression, partitions, mode, requestTimeoutMs } = output;
  return {
    ...common,
    ...{ plugin: "KafkaOutput", brokers: [`127.0.0.1:${kafkaPort}`] },
    topic: output.topicOfTable ? `${topic}.\${tbl}` : topic,
    createTopics: { partitions, replicationFactor: 1 },
    ...{ batchBytesMax, compression, mode, requestTimeoutMs, connectTimeoutMs: 1_000 },
  };
}

/** The topics that a round writes. */
export function topicsOf({ outputs }: RoundPlan, topic: string): string[] {
  const kafka = outputs.find(({ name }) => name === "kafka");
  if (kafka?.name !== "kafka") return [];
  return kafka.topicOfTable ? [`${topic}.item`, `${topic}.txn`] : [topic];
}

/** Whether a committed change is to arrive at an output. The key tells its table and writer. */
export function isExpectedAt(
  { route }: RoundPlan,
  { takes }: OutputPlan,
): (key: string) => boolean {
  return (key) => {
    const [table, first = "", seq = ""] = key.split(":");
    const { dropWriter, dropTxnEvery } = route.own ?? {};
    if (table === "txn") {
      if (takes === "item") return false;
      return dropTxnEvery === undefined || Number(seq) % dropTxnEvery !== 0;
    }
    return dropWriter === undefined || Math.floor(Number(first) / 1_000_000) !== dropWriter;
  };
}
