import { rm } from "node:fs/promises";
import { join } from "node:path";
import { builtins } from "#plugins/index.ts";
import { requireConfig } from "#src/config/load.ts";
import { type MemoryBound, memoryBound } from "#src/config/memory-bound.ts";
import { createRegistry } from "#src/plugin/registry.ts";
import { startKafka } from "../services/kafka.ts";
import { startMysql } from "../services/mysql.ts";
import { removeRunDir, runDir } from "../services/run-dir.ts";
import { type DaemonProcess, startDaemonProcess } from "../support/daemon-process.ts";
import { type FaultProxy, faultProxy } from "../support/fault-proxy.ts";
import type { SoakPlan } from "./plan.ts";
import { openSinks, type Sinks, topicOf } from "./sinks.ts";
import { connectSource, type Source } from "./source.ts";
import { startWatch, type Watch } from "./watch.ts";

/** A MySQL, a broker behind a fault proxy, a file, and a daemon between them. */
export type Rig = {
  readonly plan: SoakPlan;
  readonly source: Source;
  readonly sinks: Sinks;
  /** What stands between the daemon and the broker. */
  readonly proxy: FaultProxy;
  readonly watch: Watch;
  /** As it is written to the daemon's file, without the admin's part. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What its memory stays below, as `dbusd --check` says it. */
  readonly bound: MemoryBound;
  daemon(): DaemonProcess;
  /** Starts the daemon, or again on what it has left. */
  start(): Promise<void>;
  stop(): Promise<void>;
  log(): Promise<string>;
  close(): Promise<void>;
};

/** Large values must fit: a statement, the redo log, and a record. */
const mysqlArgs = [
  ...["--max-allowed-packet=512M", "--innodb-redo-log-capacity=1G"],
  ...["--net-write-timeout=600", "--binlog-cache-size=1M", "--innodb-buffer-pool-size=128M"],
];
const kafkaProperties = {
  "message.max.bytes": String(128 * 2 ** 20),
  "socket.request.max.bytes": String(256 * 2 ** 20),
  "log.segment.delete.delay.ms": "1000",
  "log.segment.bytes": String(256 * 2 ** 20),
};

export async function openRig(plan: SoakPlan, seed: number): Promise<Rig> {
  const dir = await runDir("soak");
  const server = await startMysql({ args: mysqlArgs });
  const kafka = await startKafka({ properties: kafkaProperties, heapMb: 768 });
  const [broker] = kafka.brokers;
  const proxy = await faultProxy({ port: broker?.port ?? 0 }, { seed, protocol: "kafka" });
  const file = join(dir, "rows.ndjson");
  const sinks = await openSinks(file, kafka.bootstrap);
  const source = await connectSource(server.port);
  const watch = startWatch();
  const config = configOf({ dir, file, mysqlPort: server.port, kafkaPort: proxy.port, plan });
  const bound = await boundOf(config);
  let daemon: DaemonProcess | undefined;

  function running(): DaemonProcess {
    if (!daemon) throw new Error("the daemon has not been started");
    return daemon;
  }

  return {
    ...{ plan, source, sinks, proxy, watch, config, bound },
    daemon: running,
    async start() {
      daemon = await startDaemonProcess({ config, dir });
      await daemon.ready();
      watch.watch(daemon.pid, daemon.adminUrl);
    },
    async stop() {
      watch.rest();
      await daemon?.stop();
    },
    log: async () => (await daemon?.log()) ?? "",
    async close() {
      watch.close();
      daemon?.kill("SIGKILL");
      await daemon?.exited;
      await source.close().catch(() => {});
      await sinks.close().catch(() => {});
      await proxy.close();
      await Promise.all([server.stop(), kafka.stop()]);
      await rm(dir, { recursive: true, force: true });
      removeRunDir(dir);
    },
  };
}

async function boundOf(config: Record<string, unknown>): Promise<MemoryBound> {
  const registry = createRegistry(builtins);
  return memoryBound(await requireConfig("soak", { registry, text: JSON.stringify(config) }));
}

type Places = {
  readonly dir: string;
  readonly file: string;
  readonly mysqlPort: number;
  readonly kafkaPort: number;
  readonly plan: SoakPlan;
};

function configOf({ dir, file, mysqlPort, kafkaPort, plan }: Places) {
  return {
    state: { dir: join(dir, "state") },
    log: { format: "json" },
    inputs: [
      {
        name: "soak",
        plugin: "MysqlbinlogInput",
        ...{ host: "127.0.0.1", port: mysqlPort, user: "root", password: "" },
        databases: ["soak"],
        eventBytesMax: plan.eventBytesMax,
        heartbeatMs: 1_000,
      },
    ],
    outputs: [
      {
        name: "kafka",
        plugin: "KafkaOutput",
        match: "soak",
        brokers: [`127.0.0.1:${kafkaPort}`],
        topic: topicOf("${tbl}"),
        recordBytesMax: 120 * 2 ** 20,
      },
      { name: "file", plugin: "StreamOutput", match: "soak", file, fsync: "none" },
    ],
  };
}
