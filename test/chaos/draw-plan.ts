import { type Random, seededRandom } from "../support/random.ts";
import { drawFaults } from "./draw-faults.ts";
import { drawBatch, drawBus, drawEs } from "./draw-parts.ts";
import type {
  BusPlan,
  FilePlan,
  KafkaPlan,
  OutputPlan,
  RoundPlan,
  RoutePlan,
  SourcePlan,
  WorkloadPlan,
} from "./round-plan.ts";

const kib = 1024;
const mib = 1024 * kib;

/** Where the rows of a round go: what is drawn of Kafka and files, or Elasticsearch alone. */
export type Destination = "any" | "elasticsearch";

/** Draws a round: a configuration that a user might run, and what happens to it. */
export function drawPlan(seed: number, to: Destination = "any"): RoundPlan {
  const random = seededRandom(seed);
  const loadMs = random.int(4_000, 7_000);
  const source = drawSource(random);
  const bus = drawBus(random);
  const route = drawRoute(random);
  const outputs = to === "any" ? drawOutputs(random, bus, route) : [drawEs(random, bus)];
  const workload = drawWorkload(random, outputs, loadMs);
  const smallDisk = random.chance(0.2);
  const sink = outputs.map(({ name }) => name).find((name) => name !== "file");
  const faults = drawFaults(random, { loadMs, sink, smallDisk, source, daemons: 1 });
  const failingSync = random.chance(0.1) ? random.int(10, 60) : undefined;
  return {
    ...{ seed, source, bus, route, outputs, workload, smallDisk, failingSync, loadMs, faults },
    startAgain: random.chance(0.3),
  };
}

function drawSource(random: Random): SourcePlan {
  const gtid = random.pick(["auto", "auto", "on", "off"] as const);
  return {
    flavor: random.pick(["mysql", "mariadb"] as const),
    gtid,
    startBy: gtid === "off" ? "file" : random.pick(["file", "gtid"] as const),
    metadata: random.pick(["MINIMAL", "FULL"] as const),
    heartbeatMs: random.pick([200, 500, 1_000]),
    connectTimeoutMs: random.pick([1_000, 2_000]),
  };
}

function drawRoute(random: Random): RoutePlan {
  const own = random.chance(0.5)
    ? {
        dropWriter: random.chance(0.5) ? 2 : undefined,
        dropTxnEvery: random.chance(0.5) ? random.int(2, 7) : undefined,
      }
    : undefined;
  return { byTable: random.chance(0.5), own };
}

function drawOutputs(random: Random, bus: BusPlan, route: RoutePlan): OutputPlan[] {
  const kafka = drawKafka(random, bus);
  const file = drawFile(random, bus);
  const outputs = random.pick([[kafka], [kafka], [kafka, file], [kafka, file], [file]]);
  const [first, second] = outputs as [OutputPlan, OutputPlan?];
  if (second === undefined) return [first];
  // One of two may leave a table to the other; each table has somebody who takes it.
  const takes = route.byTable && random.chance(0.4) ? "item" : "all";
  return [first, { ...second, takes }];
}

function drawKafka(random: Random, bus: BusPlan): KafkaPlan {
  return {
    ...{ name: "kafka", takes: "all" },
    format: random.pick(["row", "row", "debezium"] as const),
    bigint: random.pick(["number", "string"] as const),
    batch: drawBatch(random, bus),
    batchBytesMax: random.pick([16 * kib, 256 * kib, 1_000_000]),
    compression: random.pick(["none", "gzip", "zstd"] as const),
    partitions: random.int(1, 6),
    topicOfTable: random.chance(0.5),
    mode: random.chance(0.08) ? "sync" : "async",
    requestTimeoutMs: random.pick([2_000, 3_000, 5_000]),
  };
}

function drawFile(random: Random, bus: BusPlan): FilePlan {
  return {
    ...{ name: "file", takes: "all" },
    format: random.pick(["row", "row", "debezium"] as const),
    bigint: random.pick(["number", "string"] as const),
    batch: drawBatch(random, bus),
    fsync: random.pick(["batch", "none"] as const),
    rotateBytes: random.chance(0.4) ? random.int(64 * kib, 2 * mib) : undefined,
  };
}

function drawWorkload(
  random: Random,
  outputs: readonly OutputPlan[],
  loadMs: number,
): WorkloadPlan {
  const backlogMs = random.chance(0.4) ? random.int(200, 1_500) : 0;
  const writers = random.int(2, 3);
  // A row at a time takes a millisecond each, so there must not be many.
  if (outputs.some((output) => output.name === "kafka" && output.mode === "sync")) {
    return { writers, keys: 300, pauseMsMax: 150, rowsMax: 20, large: undefined, backlogMs };
  }
  const rows = random.pick([2_000, 5_000, 10_000, 10_000]);
  const large = random.chance(0.6) ? { atMs: random.int(300, loadMs - 1_500), rows } : undefined;
  return {
    ...{ writers, keys: random.pick([50, 400, 3_000]), pauseMsMax: random.pick([20, 60, 120]) },
    ...{ rowsMax: random.pick([20, 60, 200]), large, backlogMs },
  };
}
