import type { Toxic } from "../support/fault-proxy.ts";

/** What a round does, all of it drawn from its seed: the same seed plans the same round. */
export type RoundPlan = {
  readonly seed: number;
  readonly source: SourcePlan;
  readonly bus: BusPlan;
  readonly route: RoutePlan;
  /** One or two; the names are `kafka` and `file`, or `elasticsearch` alone. */
  readonly outputs: readonly OutputPlan[];
  readonly workload: WorkloadPlan;
  /** A state folder on a disk of 4 MB of its own, which can be filled. */
  readonly smallDisk: boolean;
  /** The nth call to sync a file fails, and the one after it, in every process of the round. */
  readonly failingSync: number | undefined;
  /** For so long the faults come; then all of them cease. */
  readonly loadMs: number;
  readonly faults: readonly PlannedFault[];
  /** Whether it is started once more after its stop, which must then repeat nothing. */
  readonly startAgain: boolean;
};

export type SourcePlan = {
  readonly flavor: "mysql" | "mariadb";
  readonly gtid: "auto" | "on" | "off";
  readonly startBy: "file" | "gtid";
  /** `binlog_row_metadata`. */
  readonly metadata: "MINIMAL" | "FULL";
  readonly heartbeatMs: number;
  readonly connectTimeoutMs: number;
};

export type BusPlan = {
  readonly window: { readonly packets: number; readonly bytes: number };
  readonly edge: { readonly packets: number; readonly bytes: number };
  readonly checkpointIntervalMs: number;
  readonly stopDeadlineMs: number;
};

/** The filters between the input and the outputs. */
export type RoutePlan = {
  /** A `MysqlbinlogFilter` that gives each table an ident of its own. */
  readonly byTable: boolean;
  /** A filter that a user might have written, which drops on purpose and forks. */
  readonly own:
    | {
        /** All rows of this writer are dropped. */
        readonly dropWriter: number | undefined;
        /** Every so manieth transaction's number is dropped. */
        readonly dropTxnEvery: number | undefined;
      }
    | undefined;
};

export type BatchPlan = { readonly countMax: number; readonly lingerMs: number };

export type KafkaPlan = {
  readonly name: "kafka";
  /** Which tables it takes; only with `byTable`. */
  readonly takes: "all" | "item";
  readonly format: "row" | "debezium";
  readonly bigint: "number" | "string";
  readonly batch: BatchPlan;
  readonly batchBytesMax: number;
  readonly compression: "none" | "gzip" | "zstd";
  readonly partitions: number;
  readonly topicOfTable: boolean;
  readonly mode: "async" | "sync";
  readonly requestTimeoutMs: number;
};

export type FilePlan = {
  readonly name: "file";
  readonly takes: "all" | "item";
  readonly format: "row" | "debezium";
  readonly bigint: "number" | "string";
  readonly batch: BatchPlan;
  readonly fsync: "batch" | "none";
  readonly rotateBytes: number | undefined;
};

/** A document for each row, which in the end must be what the row is. */
export type EsPlan = {
  readonly name: "elasticsearch";
  readonly takes: "all" | "item";
  readonly batch: BatchPlan;
  readonly bulkBytesMax: number;
  readonly requestTimeoutMs: number;
};

export type OutputPlan = KafkaPlan | FilePlan | EsPlan;

export type WorkloadPlan = {
  readonly writers: number;
  /** Keys of each writer. */
  readonly keys: number;
  readonly pauseMsMax: number;
  /** The rows of most transactions at most. */
  readonly rowsMax: number;
  /** One transaction of so many rows, so long after the start. */
  readonly large: { readonly atMs: number; readonly rows: number } | undefined;
  /** Written before dbusd is started for the first time: a backlog. */
  readonly backlogMs: number;
};

/** The server of a side; `source` is the Kafka that is read, `kafka` the one that is written. */
export type Side = "mysql" | "source" | "kafka" | "elasticsearch";

export type Fault =
  /**
   * Killed, and started again after `downMs`. With `ranMs` as soon as it has run for so long, so
   * that it has something to lose however slowly the machine starts it. `which` of several dbusd, from
   * 0; the first unless told.
   */
  | {
      readonly kind: "dbusd-kill";
      readonly downMs: number;
      readonly ranMs: number | undefined;
      readonly which?: number;
    }
  /** Asked to stop, which it must do in time and with 0, and started again. */
  | { readonly kind: "dbusd-term"; readonly downMs: number; readonly which?: number }
  | { readonly kind: "dbusd-pause"; readonly which?: number }
  | { readonly kind: "server-kill"; readonly side: Side }
  | { readonly kind: "server-pause"; readonly side: Side }
  /** The binlog goes on in a new file. */
  | { readonly kind: "rotate" }
  /** An operator ends the threads that stream the binlog. */
  | { readonly kind: "kill-streams" }
  | {
      readonly kind: "network";
      readonly side: Side;
      readonly toxic: Toxic;
      readonly direction: "upstream" | "downstream" | undefined;
      /** All connections are lost at the beginning, so that new ones meet the toxic. */
      readonly cut: boolean;
    }
  /** A wrong byte in the stream of the binlog, where a checksum covers it. */
  | { readonly kind: "wrong-byte"; readonly afterBytes: number }
  /** A wrong byte in a record that is fetched or produced, which the checksum of its batch covers. */
  | { readonly kind: "wrong-record"; readonly side: "source" | "kafka" }
  | { readonly kind: "full-disk" };

export type PlannedFault = Fault & {
  /** Since the beginning of the load. */
  readonly atMs: number;
  readonly forMs: number;
};

const sideNames = {
  ...{ mysql: "MySQL", source: "the source's Kafka" },
  ...{ kafka: "Kafka", elasticsearch: "Elasticsearch" },
} as const;

/** `dbusd`, or `dbusd 2` where there are several. */
const dbusd = ({ which }: { readonly which?: number }) =>
  which === undefined ? "dbusd" : `dbusd ${which + 1}`;

/** A planned fault as people read it, e.g. `blackhole of Kafka at 1.2 s for 0.5 s`. */
export function faultText(fault: PlannedFault): string {
  const at = `at ${(fault.atMs / 1000).toFixed(1)} s`;
  const during = `for ${(fault.forMs / 1000).toFixed(1)} s`;
  switch (fault.kind) {
    case "dbusd-kill":
      return `SIGKILL of ${dbusd(fault)} ${at}${fault.ranMs === undefined ? "" : ", having run"}`;
    case "dbusd-term":
      return `SIGTERM of ${dbusd(fault)} ${at}`;
    case "dbusd-pause":
      return `SIGSTOP of ${dbusd(fault)} ${at} ${during}`;
    case "server-kill":
      return `SIGKILL of ${sideNames[fault.side]} ${at} ${during}`;
    case "server-pause":
      return `SIGSTOP of ${sideNames[fault.side]} ${at} ${during}`;
    case "rotate":
      return `new binlog file ${at}`;
    case "kill-streams":
      return `streams ended by KILL ${at}`;
    case "network":
      return `${toxicText(fault.toxic)} of ${sideNames[fault.side]} ${at} ${during}`;
    case "wrong-byte":
      return `wrong byte of the stream ${at}`;
    case "wrong-record":
      return `wrong byte in a record ${fault.side === "source" ? "fetched" : "produced"} ${at}`;
    case "full-disk":
      return `full disk under the state ${at} ${during}`;
  }
}

const kafkaRequests: Readonly<Record<number, string>> = {
  ...{ 0: "Produce", 1: "Fetch", 2: "ListOffsets", 3: "Metadata", 8: "OffsetCommit" },
  ...{ 9: "OffsetFetch", 10: "FindCoordinator", 11: "JoinGroup", 12: "Heartbeat", 14: "SyncGroup" },
  22: "InitProducerId",
};

function toxicText(toxic: Toxic): string {
  if (toxic.type !== "swallow_reply") return toxic.type;
  const what = "apiKey" in toxic.to ? kafkaRequests[toxic.to.apiKey] : "binlog dump";
  return `swallowed reply to ${what}`;
}

function outputText(output: OutputPlan): string {
  switch (output.name) {
    case "file":
      return `file (${output.format}${output.rotateBytes === undefined ? "" : ", rotated"})`;
    case "elasticsearch":
      return `Elasticsearch (bulks of ${output.bulkBytesMax} bytes)`;
    case "kafka": {
      const { format, partitions, compression, mode } = output;
      const sync = mode === "sync" ? ", sync" : "";
      return `Kafka (${format}, ${partitions} partitions, ${compression}${sync})`;
    }
  }
}

/** A plan as people read it, in one line without the faults. */
export function planText(plan: RoundPlan): string {
  const { source, bus, route, outputs, workload } = plan;
  const server = source.flavor === "mysql" ? "MySQL" : "MariaDB";
  const filters = [route.byTable ? "by table" : [], route.own ? "own" : []].flat();
  return [
    `${server} with gtid ${source.gtid}`,
    `filters ${filters.length === 0 ? "none" : filters.join(" and ")}`,
    `to ${outputs.map(outputText).join(" and ")}`,
    `window ${bus.window.packets}, edge ${bus.edge.packets}`,
    `checkpoint each ${bus.checkpointIntervalMs} ms`,
    ...(workload.large === undefined ? [] : [`a transaction of ${workload.large.rows} rows`]),
    ...(plan.smallDisk ? ["state on a small disk"] : []),
    ...(plan.failingSync === undefined ? [] : [`sync ${plan.failingSync} fails`]),
  ].join(", ");
}
