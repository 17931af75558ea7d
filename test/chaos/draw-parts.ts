import type { Random } from "../support/random.ts";
import type { BusPlan, EsPlan } from "./round-plan.ts";

const kib = 1024;
const mib = 1024 * kib;

export function drawBus(random: Random): BusPlan {
  const windowPackets = random.pick([64, 200, 512, 2_048, 8_192]);
  return {
    window: { packets: windowPackets, bytes: random.pick([256 * kib, 2 * mib, 32 * mib]) },
    edge: {
      packets: random.pick([128, 512, 2_048]),
      bytes: random.pick([128 * kib, 8 * mib]),
    },
    checkpointIntervalMs: random.pick([20, 100, 200, 500, 1_000]),
    stopDeadlineMs: random.int(3_000, 8_000),
  };
}

/** Batches linger no longer than what may be in flight lets 5,000 rows through a second. */
export function drawBatch(random: Random, { window, edge }: BusPlan) {
  const bytes = Math.min(window.bytes, edge.bytes);
  const packets = Math.min(window.packets, edge.packets, bytes / 400);
  const lingerMax = Math.min(50, Math.floor(packets / 5));
  return {
    countMax: random.pick([16, 100, 200, 1_024]),
    lingerMs: random.pick([0, random.int(0, lingerMax)]),
  };
}

/** Each bulk is synced to the node's disk, so a few rows at a time would take minutes. */
export function drawEs(random: Random, bus: BusPlan): EsPlan {
  const { countMax, lingerMs } = drawBatch(random, bus);
  return {
    ...{ name: "elasticsearch", takes: "all" },
    batch: { countMax: Math.max(100, countMax), lingerMs },
    bulkBytesMax: random.pick([16 * kib, 256 * kib, 5 * mib]),
    requestTimeoutMs: random.pick([2_000, 3_000, 5_000]),
  };
}
