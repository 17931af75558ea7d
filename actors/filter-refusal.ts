import type { FilterEntry } from "#src/config/config.ts";
import type { Suspects } from "#src/crash/suspects.ts";
import { deadLetter } from "#src/deadletter/letter.ts";
import type { Overtaking } from "#src/deadletter/overtaking.ts";
import type { DeadLetterStore } from "#src/deadletter/store.ts";
import { DbusError, toDbusError } from "#src/errors.ts";
import type { Delivery } from "#src/flow/delivery.ts";
import type { FilterStats } from "#src/flow/node-stats.ts";
import { DEADLETTERED, type Outcome } from "#src/flow/outcome.ts";
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

/**
 * A packet that the filter cannot deal with: kept in the dead letters, then let go. With `onFailed:
 * block` the answer is what the filter fails with instead.
 */
export function refuse(state: Refusing, delivery: Delivery, thrown: unknown): Outcome | DbusError {
  const error = toDbusError(thrown, "FILTER_FAILED");
  const packet = delivery.packets[delivery.taken] as Packet;
  if (state.entry.onFailed === "block") return blocked(error, packet);
  const { suspects, stats } = state;
  const crash = suspects.of(delivery, delivery.taken);
  const { name } = state.entry;
  const letter = deadLetter(name, delivery.partition, packet, error, crash);
  const [id = 0] = state.deadLetters.put([letter]);
  state.overtaking.watch(id, name, delivery, delivery.taken);
  if (error.code === "PACKET_POISON") {
    suspects.found();
    stats.poisoned++;
    stats.suspects = 0;
  }
  const { input, position } = letter;
  const place = { input, position, deadLetter: id };
  state.log.warn("a filter failed on a packet; it is in the dead letters", { ...place, error });
  delivery.taken++;
  state.stats.packets++;
  state.stats.failed++;
  return DEADLETTERED;
}

/** Why the filter goes no further than this packet: it fails with a cause that a person mends. */
function blocked(error: DbusError, { position }: Packet): DbusError {
  const message = `it does not go on at ${JSON.stringify(position)}: ${error.message}`;
  const code = error.kind === "fatal" ? error.code : "FILTER_FAILED";
  return new DbusError(code, message, { cause: error, remedy: error.remedy });
}
