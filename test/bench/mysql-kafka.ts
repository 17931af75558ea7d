import { startKafka } from "../services/kafka.ts";
import { startMysql } from "../services/mysql.ts";
import { runDir } from "../services/run-dir.ts";
import { kafkaWitness } from "../support/kafka-topic.ts";
import { type Bench, type BenchOptions, say } from "./bench.ts";
import { awaitDelivery, type Delivery } from "./delivery.ts";
import { fillOrders, workloadOf } from "./orders.ts";
import { debeziumId, debeziumLibs, debeziumTopic, startDebezium } from "./peers/debezium.ts";
import type { Result } from "./result.ts";

/** From the binlog of a real MySQL into a real Kafka, beside Debezium. */
export const mysqlKafka: Bench = {
  name: "mysql-kafka",
  summary: "460,000 rows of 8 columns from MySQL's binlog to Kafka",
  peers: ["debezium"],
  defaults: { seconds: 0, rows: 460_000 },
  run,
};

async function run(options: BenchOptions): Promise<readonly Result[]> {
  const withDebezium = options.peers.includes("debezium");
  if (withDebezium) await debeziumLibs();
  const server = await startMysql();
  const kafka = await startKafka();
  const witness = await kafkaWitness(kafka.bootstrap);
  try {
    await fillOrders(server.port, workloadOf(options.rows));
    const at: Servers = { mysqlPort: server.port, bootstrap: kafka.bootstrap, witness };
    const debezium = withDebezium ? await throughDebezium(at, options.rows) : undefined;
    return debezium === undefined ? [] : resultsOf("debezium", options.rows, debezium);
  } finally {
    await witness.close();
    await Promise.all([server.stop(), kafka.stop()]);
  }
}

type Servers = {
  readonly mysqlPort: number;
  readonly bootstrap: string;
  readonly witness: Awaited<ReturnType<typeof kafkaWitness>>;
};

async function throughDebezium(at: Servers, rows: number): Promise<Delivery> {
  say("debezium: from the binlog to Kafka");
  await at.witness.createTopic(debeziumTopic);
  const program = await startDebezium({ ...at, dir: await runDir("debezium") });
  try {
    const { mysqlPort, witness } = at;
    const expected = { mysqlPort, topic: debeziumTopic, rows, idOf: debeziumId };
    return await awaitDelivery(program, witness, expected);
  } finally {
    await program.stop();
  }
}

function resultsOf(who: string, rows: number, delivery: Delivery): Result[] {
  const common = { unit: "rows/s", ...delivery.usage };
  return [
    { case: who, rate: rows / delivery.streamSeconds, ...common },
    { case: `${who}-whole`, rate: rows / delivery.wholeSeconds, ...common },
  ];
}
