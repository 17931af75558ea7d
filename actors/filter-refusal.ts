import type { FilterEntry } from "#src/config/config.ts";
import type { Suspects } from "#src/crash/suspects.ts";
import { deadLetter } from "#src/deadletter/letter.ts";
import type { Overtaking } from "#src/deadletter/overtaking.ts";
import type { DeadLetterStore } from "#src/deadletter/store.ts";
import { DbusError, toDbusError } from "#src/errors.ts";
import { type Delivery, settle } from "#src/flow/delivery.ts";
import type { FilterStats } from "#src/flow/node-stats.ts";
import { DEADLETTERED } from "#src/flow/outcome.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { Log } from "#src/log.ts";

export type Refusing = {
  readonly entry: FilterEntry;
  readonly suspects: Suspects;
  readonly stats: FilterStats;
  readonly overtaking: Overtaking;
  readonly deadLetters: DeadLetterStore;
  readonly log: Log;
};

/** A packet that the filter cannot deal with: `delivery.packets[index]`. */
export type Refused = { readonly index: number; readonly error: DbusError };

/**
 * Passes over the packet at hand: it is for the dead letters. With `onFailed: block` the answer is
 * what the filter fails with instead.
 */
export function refuse(state: Refusing, delivery: Delivery, thrown: unknown): Refused | DbusError {
  const error = toDbusError(thrown, "FILTER_FAILED");
  const index = delivery.taken;
  if (state.entry.onFailed === "block") return blocked(error, delivery, index);
  delivery.taken++;
  state.stats.packets++;
  return { index, error };
}

/**
 * Puts what was refused of a delivery into the dead letters, all of it with one durable write, and
 * settles it after that. `before` is called with the index of each, and is to settle what stands
 * between it and the one before. Throws, with nothing settled but that, when they cannot be kept.
 */
export function keepRefused(
  state: Refusing,
  delivery: Delivery,
  refused: readonly Refused[],
  before: (index: number) => void = () => {},
): void {
  const [first] = refused;
  if (!first) return;
  const { suspects, stats, entry, overtaking, log } = state;
  const { name } = entry;
  before(first.index);
  const letters = refused.map(({ index, error }) => {
    const packet = delivery.packets[index] as Packet;
    return deadLetter(name, delivery.partition, packet, error, suspects.of(delivery, index));
  });
  const ids = state.deadLetters.put(letters);
  refused.forEach(({ index, error }, i) => {
    before(index);
    overtaking.watch(ids[i] ?? 0, name, delivery, index);
    settle(delivery, index, index + 1, DEADLETTERED);
    if (error.code !== "PACKET_POISON") return;
    suspects.found();
    stats.poisoned++;
    stats.suspects = 0;
  });
  stats.failed += refused.length;
  log.warn("a filter failed on packets; they are in the dead letters", {
    count: letters.length,
    input: letters[0]?.input,
    partition: letters[0]?.partition,
    position: letters[0]?.position,
    deadLetter: ids[0],
    error: first.error,
  });
}

/** Why the filter goes no further than this packet: it fails with a cause that a person mends. */
function blocked(error: DbusError, { partition, packets }: Delivery, index: number): DbusError {
  // The only partition of an input says nothing by its name.
  const of = partition.name === "0" ? "" : `${partition.name} `;
  const place = `${of}${JSON.stringify(packets[index]?.position)}`;
  const message = `it does not go on at ${place}: ${error.message}`;
  const code = error.kind === "fatal" ? error.code : "FILTER_FAILED";
  return new DbusError(code, message, { cause: error, remedy: error.remedy });
}
