import type { FilterEntry } from "#src/config/config.ts";
import { isCrash, type Place, type Suspects } from "#src/crash/suspects.ts";
import type { Delivery } from "#src/flow/delivery.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { FilterContext } from "#src/plugin/context.ts";
import { isTimeout } from "#src/plugin/deadline.ts";

type Job = { readonly delivery: Delivery; readonly rest: Iterator<Packet> | undefined };
type Slot = { readonly error: unknown; readonly ended: boolean };
type Working = {
  readonly waiting: ReadonlyMap<number, Slot>;
  readonly jobs: ReadonlyMap<number, Job>;
};

/** The packets that may be why a call did not return, or why something was thrown elsewhere. */
export function suspectedBy({ waiting, jobs }: Working, error: unknown): Place[] {
  if (!isTimeout(error) && !isCrash(error)) return [];
  return [...waiting].flatMap(([lane, slot]) => {
    const delivery = jobs.get(lane)?.delivery;
    const late = isTimeout(error) && slot.error !== error;
    if (!delivery || slot.ended || late) return [];
    return [{ delivery, from: delivery.taken, to: delivery.taken + 1 }];
  });
}

type Careful = {
  readonly entry: FilterEntry;
  readonly context: FilterContext;
  readonly suspects: Suspects;
};

/** Calls `apply` with the packet at hand, after it was noted. Apart, so that no other call pays. */
export function applyCarefully(careful: Careful, opened: unknown, delivery: Delivery) {
  const { entry, context, suspects } = careful;
  const packet = delivery.packets[delivery.taken] as Packet;
  const work = () => entry.plugin.apply(opened, packet, context);
  return suspects.call(delivery, delivery.taken, work);
}

/** The same for what is left of a result. */
export function nextCarefully(suspects: Suspects, { rest, delivery }: Job) {
  return suspects.call(delivery, delivery.taken, () => rest?.next());
}
