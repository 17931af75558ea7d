import { startKafka } from "../services/kafka.ts";
import { startMysql } from "../services/mysql.ts";
import { runDir } from "../services/run-dir.ts";
import { type KafkaWitness, kafkaWitness } from "../support/kafka-topic.ts";
import { type Bench, type BenchOptions, say } from "./bench.ts";
import { dbus } from "./dbus.ts";
import { awaitDelivery, type Delivery, dumpsOf } from "./delivery.ts";
import type { Mover } from "./mover.ts";
import { fillOrders, workloadOf } from "./orders.ts";
import { debezium, debeziumLibs } from "./peers/debezium.ts";
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
  const peers = options.peers.includes("debezium") ? [debezium] : [];
  if (peers.length > 0) await debeziumLibs();
  const server = await startMysql();
  const kafka = await startKafka();
  const witness = await kafkaWitness(kafka.bootstrap);
  try {
    await fillOrders(server.port, workloadOf(options.rows));
    const at: Servers = { mysqlPort: server.port, bootstrap: kafka.bootstrap, witness };
    const ours = options.peersOnly ? undefined : await through(dbus, at, options.rows);
    const theirs: [string, Delivery][] = [];
    for (const peer of peers) theirs.push([peer.name, await through(peer, at, options.rows)]);
    return resultsOf(options.rows, ours, theirs);
  } finally {
    await witness.close();
    await Promise.all([server.stop(), kafka.stop()]);
  }
}

type Servers = {
  readonly mysqlPort: number;
  readonly bootstrap: string;
  readonly witness: KafkaWitness;
};

async function through(mover: Mover, at: Servers, rows: number): Promise<Delivery> {
  say(`${mover.name}: from the binlog to Kafka`);
  const { mysqlPort, bootstrap, witness } = at;
  const topic = mover.topicOf("orders");
  await witness.createTopic(topic);
  const dir = await runDir(mover.name);
  const dumpsBefore = await dumpsOf(mysqlPort);
  const program = await mover.start({ mysqlPort, bootstrap, table: "orders", dir });
  try {
    const idOf = (value: Buffer) => mover.column(value, "id");
    return await awaitDelivery(program, witness, { mysqlPort, dumpsBefore, topic, rows, idOf });
  } finally {
    await program.stop();
  }
}

function resultsOf(
  rows: number,
  ours: Delivery | undefined,
  theirs: readonly (readonly [string, Delivery])[],
): Result[] {
  const results: Result[] = [];
  const cases = [
    { suffix: "", seconds: (delivery: Delivery) => delivery.streamSeconds },
    { suffix: "-whole", seconds: (delivery: Delivery) => delivery.wholeSeconds },
  ];
  const deliveries = [...(ours === undefined ? [] : [["dbus", ours] as const]), ...theirs];
  for (const [who, delivery] of deliveries) {
    for (const { suffix, seconds } of cases) {
      const rate = rows / seconds(delivery);
      const peers = theirs.map(([peer, their]) => [peer, rate / (rows / seconds(their))]);
      const ratio = who === "dbus" ? { ratio: Object.fromEntries(peers) } : {};
      results.push({ case: `${who}${suffix}`, rate, unit: "rows/s", ...delivery.usage, ...ratio });
    }
  }
  return results;
}
