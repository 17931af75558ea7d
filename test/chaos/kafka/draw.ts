import { type Random, seededRandom } from "../../support/random.ts";
import { drawFaults } from "../draw-faults.ts";
import { drawBatch, drawBus, drawEs } from "../draw-parts.ts";
import type { BusPlan } from "../round-plan.ts";
import type {
  CopyPlan,
  Driver,
  FilterPlan,
  InputPlan,
  KafkaRoundPlan,
  KafkaWorkloadPlan,
} from "./plan.ts";

const kib = 1024;
const mib = 1024 * kib;
const drivers: readonly Driver[] = ["kafkajs", "platformatic"];

/** Draws a round from Kafka to Kafka, or to Elasticsearch. */
export function drawKafkaPlan(seed: number, to: "kafka" | "elasticsearch"): KafkaRoundPlan {
  const random = seededRandom(seed);
  const loadMs = random.int(4_000, 7_000);
  const bus = drawBus(random);
  const input = drawInput(random);
  const filter = random.chance(0.4) ? drawFilter(random, input) : undefined;
  const output = to === "kafka" ? drawCopy(random, bus) : drawEs(random, bus);
  // A member of a group may have none: what waits there would come behind what another delivered.
  const diskBuffer = random.chance(0.25) && input.members === 0;
  const workload = drawWorkload(random, loadMs, to, filter);
  const smallDisk = !diskBuffer && random.chance(0.2);
  const source = { from: "kafka", grouped: input.members > 0 } as const;
  const daemons = Math.max(1, input.members);
  const faults = drawFaults(random, { loadMs, sink: to, smallDisk, source, daemons });
  const failingSync = random.chance(0.1) ? random.int(10, 60) : undefined;
  return {
    ...{ kind: "kafka", seed, input, bus, filter, output, diskBuffer, workload, smallDisk },
    ...{ failingSync, loadMs, faults, startAgain: random.chance(0.3) },
  };
}

function drawInput(random: Random): InputPlan {
  const by = random.pick(["names", "pattern"] as const);
  const topics = Array.from({ length: random.pick([1, 1, 2, 3]) }, () => random.int(1, 6));
  const members = random.pick([0, 0, 1, 2, 2] as const);
  return {
    ...{ driver: random.pick(drivers), by, topics, members },
    lateTopic: by === "pattern" && topics.length > 1 && random.chance(0.5),
    // A member may begin with a partition when the group has come far in others: all of it is news.
    start: members > 0 ? "earliest" : random.pick(["earliest", "timestamp", "offsets"] as const),
    format: random.pick(["bytes", "json"] as const),
    fetchBytesMax: random.pick([64 * kib, 2 * mib]),
    partitionBytesMax: random.pick([16 * kib, mib]),
    requestTimeoutMs: random.pick([2_000, 3_000, 5_000]),
    sessionTimeoutMs: random.pick([1_500, 3_000, 6_000]),
    commitMs: random.pick([100, 300, 1_000]),
  };
}

function drawFilter(random: Random, { topics }: InputPlan): FilterPlan {
  const digit = random.int(0, 9);
  if (topics.length > 1) return { kind: "route", digit };
  return random.pick<FilterPlan>([
    { kind: "route", digit },
    { kind: "where", digit },
    { kind: "rename" },
    { kind: "throttle", perSecond: random.int(2_000, 6_000) },
  ]);
}

function drawCopy(random: Random, bus: BusPlan): CopyPlan {
  return {
    ...{ name: "kafka", driver: random.pick(drivers) },
    partition: random.pick(["source", "source", "key"] as const),
    partitions: random.int(1, 6),
    headers: random.chance(0.5),
    batch: drawBatch(random, bus),
    batchBytesMax: random.pick([16 * kib, 256 * kib, 1_000_000]),
    compression: random.pick(["none", "gzip", "zstd"] as const),
    requestTimeoutMs: random.pick([2_000, 3_000, 5_000]),
  };
}

function drawWorkload(
  random: Random,
  loadMs: number,
  to: "kafka" | "elasticsearch",
  filter: FilterPlan | undefined,
): KafkaWorkloadPlan {
  const most = filter?.kind === "throttle" ? 4_000 : 20_000;
  const records = Math.min(most, random.pick([2_000, 5_000, 20_000]));
  return {
    writers: random.int(1, 3),
    keys: random.pick([50, 400, 3_000]),
    pauseMsMax: random.pick([20, 60, 120]),
    batchMax: random.pick([5, 50, 200]),
    padMax: random.pick([20, 100, 400]),
    nullKeys: to === "kafka" && random.chance(0.6),
    transactions: random.pick([0, 0.1, 0.3]),
    burst: random.chance(0.5) ? { atMs: random.int(300, loadMs - 1_500), records } : undefined,
    backlogMs: random.chance(0.4) ? random.int(200, 1_500) : 0,
  };
}
