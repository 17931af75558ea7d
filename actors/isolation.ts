import type { OutputEntry } from "#src/config/config.ts";
import { CRASHES_MAX, isCrash, type Suspects } from "#src/crash/suspects.ts";
import { deadLetter } from "#src/deadletter/letter.ts";
import type { Overtaking } from "#src/deadletter/overtaking.ts";
import type { DeadLetterStore } from "#src/deadletter/store.ts";
import { DbusError, toDbusError } from "#src/errors.ts";
import type { Batch, BatchQueue, Range } from "#src/flow/batch.ts";
import { settle } from "#src/flow/delivery.ts";
import type { OutputStats } from "#src/flow/node-stats.ts";
import { DEADLETTERED, DELIVERED } from "#src/flow/outcome.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { Sorted } from "#src/flow/verdicts.ts";
import type { Log } from "#src/log.ts";

export type Keeper = {
  readonly entry: OutputEntry;
  readonly deadLetters: DeadLetterStore;
  readonly suspects: Suspects;
  readonly overtaking: Overtaking;
  readonly stats: OutputStats;
  readonly log: Log;
};

/** The next batch; what was there at a crash goes in small ones, at last alone. */
export function nextBatch(
  queue: Pick<BatchQueue, "take">,
  { entry, suspects }: Keeper,
): Batch | undefined {
  if (suspects.size === 0 && !suspects.careful) return queue.take(entry.batch);
  const { countMax } = entry.batch;
  return queue.take(entry.batch, (delivery, index) => suspects.share(delivery, index, countMax));
}

/** Settles what was written, and counts it. */
export function delivered(keeper: Keeper, { delivery, from, to }: Range): void {
  const { suspects, overtaking, entry, stats } = keeper;
  settle(delivery, from, to, DELIVERED);
  overtaking.passed(entry.name, delivery, from, to);
  stats.packets += to - from;
  for (let i = from; i < to; i++) stats.bytes += (delivery.packets[i] as Packet).bytes;
  if (suspects.size === 0) return;
  suspects.cleared(delivery, from, to);
  stats.suspects = suspects.size;
}

/** Puts a packet into the dead letters that was the cause of crashes; false when it is not. */
export function condemn(keeper: Keeper, { ranges, packets }: Batch): boolean {
  const { entry, suspects, stats } = keeper;
  const [range] = ranges;
  if (!range || packets.length > 1 || entry.onFailed === "block") return false;
  const error = suspects.conviction(range.delivery, range.from);
  if (!error) return false;
  keepFailed(keeper, [{ range, error }]);
  suspects.found();
  stats.poisoned++;
  stats.suspects = 0;
  return true;
}

/**
 * What an output fails with whose write crashed on that batch. While it is being found out which
 * packet is the cause, a crash counts towards no intensity: after three of them with one it does.
 */
export function crashOf({ suspects, entry }: Keeper, batch: Batch, thrown: unknown): unknown {
  if (!isCrash(thrown)) return thrown;
  if (suspects.crashed(batch.ranges, thrown) >= CRASHES_MAX) return thrown;
  const what = `${entry.name} crashed on ${batch.packets.length} packets`;
  const { message } = toDbusError(thrown);
  return new DbusError("PLUGIN_CRASHED", `${what}: ${message}`, { cause: thrown });
}

/** Into the dead letters first, settled after: a full disk must not lose what the sink refused. */
export function keepFailed(keeper: Keeper, failed: Sorted["failed"]): void {
  if (failed.length === 0) return;
  const { deadLetters, entry, log, stats, suspects } = keeper;
  const ids = deadLetters.put(
    failed.map(({ range: { delivery, from }, error }) => {
      const crash = suspects.of(delivery, from);
      const packet = delivery.packets[from] as Packet;
      return deadLetter(entry.name, delivery.partition, packet, error, crash);
    }),
  );
  failed.forEach(({ range: { delivery, from, to } }, i) => {
    keeper.overtaking.watch(ids[i] ?? 0, entry.name, delivery, from);
    settle(delivery, from, to, DEADLETTERED);
  });
  stats.failed += failed.length;
  const [first] = failed;
  log.warn("packets were refused for good; they are in the dead letters", {
    count: failed.length,
    deadLetter: ids[0],
    error: first?.error,
  });
}
