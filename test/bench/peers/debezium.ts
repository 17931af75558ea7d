import { join } from "node:path";
import { mavenLibs } from "../../services/maven.ts";
import { freePort } from "../../services/port.ts";
import { systemTool } from "../../services/system-tools.ts";
import { type Measured, startMeasured } from "../measure.ts";

/** Debezium's connector on Kafka's own single-process runtime, both from Maven. */
const artifacts = [
  "io.debezium:debezium-connector-mysql:3.3.1.Final",
  "org.apache.kafka:connect-runtime:4.1.0",
];

export type DebeziumOptions = {
  readonly mysqlPort: number;
  readonly bootstrap: string;
  /** A folder of this run for its offsets, schema history and log. */
  readonly dir: string;
};

/** The topic that `bench.orders` goes to. */
export const debeziumTopic = "debezium.bench.orders";

export function debeziumLibs(): Promise<string> {
  return mavenLibs("debezium-3.3.1", artifacts);
}

/**
 * Starts Debezium so that it reads the whole binlog, without a snapshot. The heap is what Kafka's
 * connect-standalone script gives; linger, batch and queue are those of our own comparison.
 */
export async function startDebezium(options: DebeziumOptions): Promise<Measured> {
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

function workerOf({ bootstrap, dir }: DebeziumOptions, restPort: number): Record<string, string> {
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

function connectorOf({ mysqlPort, dir }: DebeziumOptions): Record<string, string> {
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
    "table.include.list": "bench.orders",
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

/** The number of the row in a record of Debezium's. */
export function debeziumId(value: Buffer): number {
  const { after } = JSON.parse(value.toString()) as { after: { id: number } };
  return after.id;
}
