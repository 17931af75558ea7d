import { type Delivery, settle } from "#src/flow/delivery.ts";
import type { Outcome } from "#src/flow/outcome.ts";
import type { Packet } from "#src/flow/packet.ts";
import { encodeBatch } from "#src/spill/spill-codec.ts";
import type { SpillBody } from "#src/spill/spill-log.ts";

/** Packets `delivery.packets[from..)` that are not settled where they came from. */
export type Held = {
  readonly delivery: Delivery;
  readonly from: number;
  readonly packets: readonly Packet[];
  /** When they came, in Unix milliseconds. */
  readonly at: number;
  /** Their first number in the ledger of the way to the output; -1 before they are on it. */
  seq: number;
  /** How many are not settled, and which are; made when a part of them is. */
  open: number;
  done: Uint8Array | undefined;
};

/** What a delivery brings. From now on none of it is to be dealt with again. */
export function hold(delivery: Delivery, at: number): Held {
  const from = delivery.taken;
  const packets = from === 0 ? delivery.packets : delivery.packets.slice(from);
  delivery.taken = delivery.packets.length;
  return { delivery, from, packets, at, seq: -1, open: packets.length, done: undefined };
}

/** A part of what is held, of which nothing is settled. */
export function part({ delivery, from, packets, at }: Held, begin: number, end: number): Held {
  const own = packets.slice(begin, end);
  const rest = { seq: -1, open: own.length, done: undefined };
  return { delivery, from: from + begin, packets: own, at, ...rest };
}

/** The output has settled so many packets from that number on; those count that are held. */
export function settleSent(
  held: readonly Held[],
  first: number,
  count: number,
  outcome: Outcome,
): void {
  const end = first + count;
  for (const one of held) {
    if (one.seq < 0 || one.seq >= end) return;
    const from = Math.max(0, first - one.seq);
    const to = Math.min(one.packets.length, end - one.seq);
    if (from >= to) continue;
    if (to - from < one.packets.length) {
      one.done ??= new Uint8Array(one.packets.length);
      one.done.fill(1, from, to);
    }
    one.open -= to - from;
    settle(one.delivery, one.from + from, one.from + to, outcome);
  }
}

/** Settles all that is not settled. */
export function settleOpen(one: Held, outcome: Outcome): void {
  const { delivery, from, packets, done } = one;
  if (one.open === 0) return;
  if (!done) settle(delivery, from, from + packets.length, outcome);
  else {
    for (let i = 0; i < packets.length; i++) {
      if (done[i] === 0) settle(delivery, from + i, from + i + 1, outcome);
    }
  }
  one.open = 0;
}

/** One record loses no more than this when its bytes are damaged. */
const RECORD_PACKETS = 128;
const RECORD_BYTES = 256 * 1024;

/** As records of the log. */
export function* recordsOf({ delivery, packets, at }: Held): Generator<SpillBody> {
  const { input, resource, name } = delivery.partition;
  let from = 0;
  while (from < packets.length) {
    let to = from + 1;
    let bytes = (packets[from] as Packet).bytes;
    while (to < packets.length && to - from < RECORD_PACKETS) {
      bytes += (packets[to] as Packet).bytes;
      if (bytes > RECORD_BYTES) break;
      to++;
    }
    const origin = { input, resource, name };
    yield { count: to - from, body: encodeBatch({ origin, packets: packets.slice(from, to), at }) };
    from = to;
  }
}
