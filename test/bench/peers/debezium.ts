import { join } from "node:path";
import { mavenLibs } from "../../services/maven.ts";
import { freePort } from "../../services/port.ts";
import { systemTool } from "../../services/system-tools.ts";
import { type Measured, startMeasured } from "../measure.ts";
import type { Mover, MoverOptions } from "../mover.ts";

/** Debezium's connector on Kafka's own single-process runtime, both from Maven. */
const artifacts = [
  "io.debezium:debezium-connector-mysql:3.3.1.Final",
  "org.apache.kafka:connect-runtime:4.1.0",
];

export function debeziumLibs(): Promise<string> {
  return mavenLibs("debezium-3.3.1", artifacts);
}

/** Its records are the envelope alone, as JSON without a schema. */
export const debezium: Mover = {
  name: "debezium",
  topicOf: (table) => `debezium.bench.${table}`,
  start: startDebezium,
  column(value, name) {
    const { op, after } = JSON.parse(value.toString()) as { op: string; after: Columns };
    if (op !== "c") throw new Error(`a record of Debezium's with op ${op}`);
    return after[name];
  },
};

type Columns = Readonly<Record<string, unknown>>;

/**
 * Starts Debezium so that it reads the whole binlog, without a snapshot. The heap is what Kafka's
 * connect-standalone script gives; linger, batch and queue are set as its users tune it.
 */
async function startDebezium(options: MoverOptions): Promise<Measured> {
  const { dir } = options;
  const java = await systemTool("java");
  const libs = await debeziumLibs();
  const worker = join(dir, "worker.properties");
  const connector = join(dir, "connector.properties");
  await Bun.write(worker, propertiesText(workerOf(options, await freePort())));
  await Bun.write(connector, propertiesText(connectorOf(options)));
  const main = "org.apache.kafka.connect.cli.ConnectStandalone";
  const argv = [java, "-Xms256m", "-Xmx2g", "-cp", join(libs, "*"), main, worker, connector];
  return startMeasured(argv, { logFile: join(dir, "debezium.log"), cwd: dir });
}

function workerOf({ bootstrap, dir }: MoverOptions, restPort: number): Record<string, string> {
  const json = "org.apache.kafka.connect.json.JsonConverter";
  return {
    "bootstrap.servers": bootstrap,
    listeners: `http://127.0.0.1:${restPort}`,
    "key.converter": json,
    "key.converter.schemas.enable": "false",
    "value.converter": json,
    "value.converter.schemas.enable": "false",
    "offset.storage.file.filename": join(dir, "offsets"),
    "offset.flush.interval.ms": "1000",
    "producer.linger.ms": "5",
    "producer.batch.size": "262144",
    "plugin.discovery": "only_scan",
  };
}

function connectorOf({ mysqlPort, table, dir }: MoverOptions): Record<string, string> {
  return {
    name: "debezium",
    "connector.class": "io.debezium.connector.mysql.MySqlConnector",
    "tasks.max": "1",
    "database.hostname": "127.0.0.1",
    "database.port": String(mysqlPort),
    "database.user": "root",
    "database.password": "",
    "database.server.id": "54001",
    "topic.prefix": "debezium",
    "database.include.list": "bench",
    "table.include.list": `bench.${table}`,
    "snapshot.mode": "never",
    "include.schema.changes": "false",
    "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
    "schema.history.internal.file.filename": join(dir, "schema-history"),
    "max.batch.size": "8192",
    "max.queue.size": "32768",
  };
}

function propertiesText(properties: Record<string, string>): string {
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join("");
}
