import { join } from "node:path";
import { type ElasticsearchService, startElasticsearch } from "../services/elasticsearch.ts";
import { startMysql } from "../services/mysql.ts";
import { runDir } from "../services/run-dir.ts";
import { esPeer } from "../support/es-peer.ts";
import { type Bench, type BenchOptions, say } from "./bench.ts";
import { startDbusd } from "./dbus.ts";
import { type Measured, readUsage, type Usage } from "./measure.ts";
import { fillOrders, workloadOf } from "./orders.ts";
import type { Result } from "./result.ts";

/** From the binlog of a real MySQL into a real Elasticsearch: who of the two ends has the work. */
export const esOut: Bench = {
  name: "es-out",
  summary: "200,000 rows of 8 columns from MySQL's binlog to Elasticsearch",
  peers: [],
  defaults: { seconds: 0, rows: 200_000 },
  run,
};

const index = "bench.orders";
const pollMs = 20;
/** A program that neither begins nor goes on for so long has failed. */
const stallSecondsMax = 60;

async function run({ rows }: BenchOptions): Promise<readonly Result[]> {
  const server = await startMysql();
  const node = await startElasticsearch({ heapMb: 1024 });
  try {
    await fillOrders(server.port, workloadOf(rows));
    const before = usageOf(node);
    const dir = await runDir("es-out");
    const program = await startDbusd(configOf(server.port, node.url, dir), dir);
    const { seconds, usage } = await awaitDocuments(program, node, rows);
    const after = usageOf(node);
    await verify(node, rows);
    const theirs = after.cpuSeconds - before.cpuSeconds;
    const share = usage.cpuSeconds / (usage.cpuSeconds + theirs);
    say(`dbus has ${(share * 100).toFixed(1)} % of the CPU time of both`);
    const rate = rows / seconds;
    const ratio = { "dbus+elasticsearch CPU": share };
    return [
      { case: "dbus", rate, unit: "rows/s", ...usage, ratio },
      { case: "elasticsearch", rate, unit: "rows/s", ...after, cpuSeconds: theirs },
    ];
  } finally {
    await Promise.all([server.stop(), node.stop()]);
  }
}

/** All defaults, but JSON of many shapes is kept and not searched for. */
function configOf(port: number, url: string, dir: string): unknown {
  return {
    state: { dir: join(dir, "state") },
    admin: { port: 0 },
    inputs: [
      {
        ...{ name: "bench", plugin: "MysqlbinlogInput", host: "127.0.0.1", port, user: "root" },
        ...{ password: "", tables: ["bench.orders"], start: "earliest" },
      },
    ],
    outputs: [
      {
        ...{ name: "search", plugin: "EsOutput", match: "bench", nodes: [url] },
        createIndices: { mappings: { properties: { extra: { type: "object", enabled: false } } } },
      },
    ],
  };
}

type Delivered = { readonly seconds: number; readonly usage: Usage };

/** From the first document to the last, as the node counts them. */
async function awaitDocuments(
  program: Measured,
  node: ElasticsearchService,
  rows: number,
): Promise<Delivered> {
  let last = { written: 0, at: performance.now() };
  let startedAt: number | undefined;
  let told = 0;
  for (;;) {
    const written = await indexed(node);
    const now = performance.now();
    if (written > 0) startedAt ??= now;
    if (written >= rows) break;
    if (written > last.written) last = { written, at: now };
    if (!program.running || now - last.at > stallSecondsMax * 1000) {
      throw new Error(`stands at ${written} of ${rows} rows:\n${await program.logTail()}`);
    }
    if (now - told > 5_000) {
      say(`${written} of ${rows} rows`);
      told = now;
    }
    await Bun.sleep(pollMs);
  }
  const seconds = (performance.now() - (startedAt ?? 0)) / 1000;
  const usage = program.usage();
  await program.stop();
  return { seconds, usage };
}

async function indexed({ url }: ElasticsearchService): Promise<number> {
  const answer = await fetch(`${url}/${index}/_stats/indexing?filter_path=_all.primaries`);
  if (!answer.ok) return 0;
  const { _all } = (await answer.json()) as Stats;
  // An index that has just been made has no shard yet, and so no figures.
  return _all?.primaries?.indexing?.index_total ?? 0;
}

type Stats = {
  readonly _all?: {
    readonly primaries?: { readonly indexing?: { readonly index_total: number } };
  };
};

async function verify(node: ElasticsearchService, rows: number): Promise<void> {
  const peer = esPeer(node.url);
  await peer.ok("POST", `/${index}/_refresh`);
  const { count } = (await peer.ok("GET", `/${index}/_count`)) as { count: number };
  if (count !== rows) throw new Error(`${count} documents for ${rows} rows`);
  say(`each of ${rows} rows is a document`);
}

function usageOf({ pid }: ElasticsearchService): Usage {
  return readUsage(pid) ?? { rssMiBMax: 0, cpuSeconds: 0 };
}
