import type { Self } from "#src/actor/actor.ts";
import type { Timer } from "#src/clock.ts";
import type { BusConfig, FilterEntry } from "#src/config/config.ts";
import type { Suspects } from "#src/crash/suspects.ts";
import { DbusError } from "#src/errors.ts";
import { type Delivery, seqOf, settle } from "#src/flow/delivery.ts";
import type { FilterStats } from "#src/flow/node-stats.ts";
import { DELIVERED } from "#src/flow/outcome.ts";
import type { Outlet } from "#src/flow/outlet.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { Partition } from "#src/flow/partition.ts";
import type { Gather } from "#src/plugin/define.ts";
import { keepRefused, type Refusing, refuse } from "./filter-refusal.ts";
import type { FilterMessage } from "./protocol.ts";

/**
 * What a filter that gathers holds back. The packets that went into it stay unsettled on the edge
 * that brought them until what became of them is in the ledger, as copies of the oldest of them: so
 * the watermark cannot pass it before that is delivered, nor anything behind it (invariant 1).
 */
export type Gathering = {
  /** Takes the packets of a delivery; false while what was gathered before finds no room. */
  take(delivery: Delivery): boolean | DbusError;
  /** Sends on what was gathered of a lane, as far as there is room; true when all of it went. */
  flush(lane: number): boolean;
  /** No more of that lane can come before what was gathered is sent on. */
  hurry(lane: number): void;
  /** There may be room for what was gathered of that lane and waits for it. */
  goOn(lane: number): void;
};

export type GatheringOptions = Refusing & {
  readonly entry: FilterEntry;
  readonly gather: Gather<unknown, unknown, unknown>;
  readonly plugin: unknown;
  readonly outlet: Outlet;
  readonly bus: Pick<BusConfig, "window" | "edge">;
  readonly suspects: Suspects;
  readonly stats: FilterStats;
  /** Calls `flush` for that lane after so long. */
  readonly later: (ms: number, lane: number) => Timer;
};

type Held = {
  readonly partition: Partition;
  readonly first: { readonly seq: number; readonly packet: Packet };
  readonly gathered: unknown;
  readonly ranges: { readonly delivery: Delivery; readonly from: number; to: number }[];
  packets: number;
  bytes: number;
  timer: Timer | undefined;
  /** Whether the timer was made to run soon. */
  soon: boolean;
  /** What is left of what became of it, once it is being sent. */
  rest: Iterator<Packet> | undefined;
  next: Packet | undefined;
};

/** When half of the window is in flight, or none can come, held packets go on after so long, in milliseconds. */
const SOON_MS = 5;

function createGathering(options: GatheringOptions): Gathering {
  const { entry, gather, plugin, outlet, bus, stats, overtaking } = options;
  const lanes = new Map<number, Held>();
  // Half of it: the other half lets the sender go on while this is on its way.
  const packetsMax = Math.max(1, Math.floor(Math.min(bus.edge.packets, bus.window.packets) / 2));
  const bytesMax = Math.max(1, Math.floor(Math.min(bus.edge.bytes, bus.window.bytes) / 2));

  function hold(delivery: Delivery, index: number): Held {
    const { partition, packets } = delivery;
    const packet = packets[index] as Packet;
    const held: Held = {
      partition,
      first: { seq: seqOf(delivery, index), packet },
      gathered: gather.begin(plugin),
      ranges: [],
      packets: 0,
      bytes: 0,
      timer: options.later(gather.flushMs(entry.config), partition.lane),
      soon: false,
      rest: undefined,
      next: undefined,
    };
    lanes.set(partition.lane, held);
    return held;
  }

  function add(delivery: Delivery): DbusError | undefined {
    const { suspects } = options;
    const { lane } = delivery.partition;
    const index = delivery.taken;
    const packet = delivery.packets[index] as Packet;
    const held = lanes.get(lane) ?? hold(delivery, index);
    try {
      const guilty = suspects.size > 0 ? suspects.conviction(delivery, index) : undefined;
      if (guilty) throw guilty;
      const work = () => gather.add(held.gathered, packet, plugin);
      if (suspects.careful) suspects.call(delivery, index, work);
      else work();
    } catch (thrown) {
      if (held.packets === 0) drop(held);
      const outcome = refuse(options, delivery, thrown);
      if (outcome instanceof DbusError) return outcome;
      keepRefused(options, delivery, [outcome]);
      return undefined;
    }
    const last = held.ranges.at(-1);
    if (last?.delivery === delivery && last.to === index) last.to++;
    else held.ranges.push({ delivery, from: index, to: index + 1 });
    held.packets++;
    held.bytes += packet.bytes;
    if (suspects.size > 0) {
      suspects.cleared(delivery, index, index + 1);
      stats.suspects = suspects.size;
    }
    stats.packets++;
    delivery.taken++;
    return undefined;
  }

  function drop(held: Held): void {
    held.timer?.cancel();
    lanes.delete(held.partition.lane);
  }

  const isFull = ({ packets, bytes }: Held): boolean => packets >= packetsMax || bytes >= bytesMax;

  /** Other branches of this partition may be waiting for the oldest packet that is held. */
  function hurry(held: Held): void {
    const { lane } = held.partition;
    if (held.soon) return;
    held.soon = true;
    held.timer?.cancel();
    held.timer = options.later(Math.min(SOON_MS, gather.flushMs(entry.config)), lane);
  }

  function send(held: Held): boolean {
    held.rest ??= gather.end(held.gathered, held.first.packet, plugin)[Symbol.iterator]();
    for (;;) {
      if (!held.next) {
        const step = held.rest.next();
        if (step.done) return true;
        held.next = step.value;
      }
      if (!outlet.offer(held.partition, held.next, held.first.seq)) return false;
      stats.emitted++;
      held.next = undefined;
    }
  }

  function flush(lane: number): boolean {
    const held = lanes.get(lane);
    if (!held) return true;
    held.timer?.cancel();
    held.timer = undefined;
    // Settled by the edge already: nothing of it goes out any more.
    if (held.partition.right.fenced) {
      lanes.delete(lane);
      return true;
    }
    const all = send(held);
    // In the ledger before the packets that it was made of are settled.
    outlet.flush();
    if (!all) return false;
    lanes.delete(lane);
    for (const { delivery, from, to } of held.ranges) {
      settle(delivery, from, to, DELIVERED);
      overtaking.passed(entry.name, delivery, from, to);
    }
    return true;
  }

  return {
    take(delivery) {
      const { lane } = delivery.partition;
      while (delivery.taken < delivery.packets.length) {
        if (lanes.get(lane)?.rest !== undefined && !flush(lane)) return false;
        const error = add(delivery);
        if (error) return error;
        const held = lanes.get(lane);
        if (held && isFull(held)) flush(lane);
      }
      const left = lanes.get(lane);
      const { edge, partition } = delivery;
      const half = partition.ledger.inFlight > bus.window.packets / 2;
      if (left && left.rest === undefined && (half || edge.lingers(partition))) hurry(left);
      return true;
    },
    flush,
    hurry(lane) {
      const held = lanes.get(lane);
      if (held && held.rest === undefined) hurry(held);
    },
    goOn(lane) {
      if (lanes.get(lane)?.rest !== undefined) flush(lane);
    },
  };
}

/** What the filter of that plugin gathers; undefined for one that does not. */
export function gatheringOf(
  state: Omit<GatheringOptions, "gather" | "plugin" | "later">,
  plugin: unknown,
  self: Self<FilterMessage>,
): Gathering | undefined {
  const { gather } = state.entry.plugin;
  const later = (ms: number, lane: number) => self.after(ms, { kind: "flush", lane });
  return gather && createGathering({ ...state, gather, plugin, later });
}

export function gatherOf(gathering: Gathering, delivery: Delivery, self: Self<FilterMessage>) {
  const taken = gathering.take(delivery);
  if (taken instanceof DbusError) self.fail(taken);
  return taken === true ? undefined : "hold";
}
