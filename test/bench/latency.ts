import mysql from "mysql2/promise";
import { startKafka } from "../services/kafka.ts";
import { startMysql } from "../services/mysql.ts";
import { runDir } from "../services/run-dir.ts";
import { type KafkaWitness, kafkaWitness } from "../support/kafka-topic.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Bench, type BenchOptions, say } from "./bench.ts";
import { dbus, dbusAtOnce } from "./dbus.ts";
import type { Usage } from "./measure.ts";
import type { Mover } from "./mover.ts";
import { debezium, debeziumLibs } from "./peers/debezium.ts";
import type { Result } from "./result.ts";

const rowsPerSecond = 1_000;
const warmupSeconds = 5;

/** From the commit in MySQL to the consumer of Kafka, at a steady 1,000 rows a second. */
export const latency: Bench = {
  name: "latency",
  summary: "commit in MySQL to a consumer of Kafka, at 1,000 rows/s: p50, p99, max",
  peers: ["debezium"],
  defaults: { seconds: 20, rows: 0 },
  run,
};

async function run(options: BenchOptions): Promise<readonly Result[]> {
  const peers = options.peers.includes("debezium") ? [debezium] : [];
  if (peers.length > 0) await debeziumLibs();
  const ours = options.peersOnly ? [] : [dbusAtOnce, dbus];
  const measured: [string, Latencies][] = [];
  for (const mover of [...ours, ...peers]) {
    measured.push([mover.name, await measure(mover, options.seconds)]);
  }
  return resultsOf(measured, new Set(peers.map(({ name }) => name)));
}

type Latencies = { readonly sortedMs: readonly number[]; readonly usage: Usage };

/** Runs one mover between servers of its own, so that neither is measured with the other's load. */
async function measure(mover: Mover, seconds: number): Promise<Latencies> {
  const server = await startMysql();
  const kafka = await startKafka();
  const witness = await kafkaWitness(kafka.bootstrap);
  const pool = mysql.createPool({
    ...{ host: "127.0.0.1", port: server.port, user: "root", password: "" },
    connectionLimit: 4,
  });
  try {
    await pool.query("CREATE DATABASE bench");
    await pool.query(
      "CREATE TABLE bench.ticks (id INT UNSIGNED NOT NULL PRIMARY KEY, sent BIGINT NOT NULL, " +
        "note VARCHAR(100) NOT NULL)",
    );
    await witness.createTopic(mover.topicOf("ticks"));
    const dir = await runDir(mover.name);
    const at = { mysqlPort: server.port, bootstrap: kafka.bootstrap, table: "ticks", dir };
    const program = await mover.start(at);
    try {
      const sortedMs = await writeAndFollow(mover, witness, pool, seconds);
      return { sortedMs, usage: program.usage() };
    } finally {
      await program.stop();
    }
  } finally {
    await pool.end();
    await witness.close();
    await Promise.all([server.stop(), kafka.stop()]);
  }
}

/** Unix microseconds of this process's one clock, which stamps the rows and times the records. */
function micros(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1000);
}

async function writeAndFollow(
  mover: Mover,
  witness: KafkaWitness,
  pool: mysql.Pool,
  seconds: number,
): Promise<number[]> {
  const measuredFrom = { id: Number.POSITIVE_INFINITY };
  const times = new Map<number, number>();
  let received = 0;
  const stopFollowing = await witness.follow(mover.topicOf("ticks"), ({ value }) => {
    if (value === null) return;
    const now = micros();
    const id = Number(mover.column(value, "id"));
    received++;
    if (id >= measuredFrom.id) times.set(id, now - Number(mover.column(value, "sent")));
  });
  try {
    await pool.query("INSERT INTO bench.ticks VALUES (0, ?, 'first')", [micros()]);
    await waitFor(() => received > 0, { what: "the first row in Kafka", timeoutMs: 120_000 });
    say(`${mover.name}: ${warmupSeconds} s of warm-up, then ${seconds} s at ${rowsPerSecond}/s`);
    const warmup = warmupSeconds * rowsPerSecond;
    const rows = warmup + seconds * rowsPerSecond;
    measuredFrom.id = warmup + 1;
    await writeSteadily(pool, rows);
    await waitFor(() => received >= rows + 1, { what: "all rows in Kafka", timeoutMs: 60_000 });
    if (times.size !== rows - warmup) throw new Error(`${times.size} times for ${rows} rows`);
    return [...times.values()].map((time) => time / 1000).sort((a, b) => a - b);
  } finally {
    await stopFollowing();
  }
}

/**
 * Commits each row at its time by the clock, whether the one before it is done or not. The stamp is
 * taken before the INSERT is sent, so the figure holds the commit itself too: it is never too good.
 */
async function writeSteadily(pool: mysql.Pool, rows: number): Promise<void> {
  const started = performance.now();
  const commits: Promise<unknown>[] = [];
  for (let id = 1; id <= rows; id++) {
    const due = started + (id * 1000) / rowsPerSecond;
    if (due > performance.now()) await Bun.sleep(due - performance.now());
    const values = [id, micros(), "a note of some length, as rows have them"];
    commits.push(pool.execute("INSERT INTO bench.ticks VALUES (?, ?, ?)", values));
  }
  await Promise.all(commits);
  const rate = rows / ((performance.now() - started) / 1000);
  if (rate < rowsPerSecond * 0.98) throw new Error(`the writer managed only ${rate} rows/s`);
}

const quantiles = [
  ["p50", 0.5],
  ["p99", 0.99],
  ["max", 1],
] as const;

function resultsOf(
  measured: readonly (readonly [string, Latencies])[],
  peers: ReadonlySet<string>,
): Result[] {
  const theirs = measured.filter(([name]) => peers.has(name));
  return measured.flatMap(([name, { sortedMs, usage }]) =>
    quantiles.map(([label, fraction]) => {
      const ms = quantile(sortedMs, fraction);
      const ratios = theirs.map(([peer, their]) => [peer, quantile(their.sortedMs, fraction) / ms]);
      const ratio = peers.has(name) ? {} : { ratio: Object.fromEntries(ratios) };
      return { case: `${label}-${name}`, rate: ms, unit: "ms", ...usage, ...ratio };
    }),
  );
}

function quantile(sorted: readonly number[], fraction: number): number {
  const at = Math.min(sorted.length - 1, Math.ceil(sorted.length * fraction) - 1);
  return sorted[Math.max(0, at)] ?? Number.NaN;
}
