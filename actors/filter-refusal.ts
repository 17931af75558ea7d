import type { FilterEntry } from "#src/config/config.ts";
import type { Suspects } from "#src/crash/suspects.ts";
import { deadLetter } from "#src/deadletter/letter.ts";
import type { Overtaking } from "#src/deadletter/overtaking.ts";
import type { DeadLetterStore } from "#src/deadletter/store.ts";
import { toDbusError } from "#src/errors.ts";
import type { Delivery } from "#src/flow/delivery.ts";
import type { FilterStats } from "#src/flow/node-stats.ts";
import { DEADLETTERED } from "#src/flow/outcome.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { Log } from "#src/log.ts";

type Refusing = {
  readonly entry: FilterEntry;
  readonly deadLetters: DeadLetterStore;
  readonly suspects: Suspects;
  readonly overtaking: Overtaking;
  readonly stats: FilterStats;
  readonly log: Log;
};

/** A packet that the filter cannot deal with: kept in the dead letters, then let go. */
export function refuse(state: Refusing, delivery: Delivery, thrown: unknown) {
  const error = toDbusError(thrown, "FILTER_FAILED");
  const packet = delivery.packets[delivery.taken] as Packet;
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
  state.log.warn("a filter failed on a packet; it is in the dead letters", { error });
  delivery.taken++;
  state.stats.packets++;
  state.stats.failed++;
  return DEADLETTERED;
}
