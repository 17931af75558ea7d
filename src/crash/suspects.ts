import type { Clock } from "../clock.ts";
import { DbusError, toDbusError } from "../errors.ts";
import type { Delivery } from "../flow/delivery.ts";
import type { Packet } from "../flow/packet.ts";
import type { Log } from "../log.ts";
import type { AtHand } from "./at-hand.ts";
import type { Crash, CrashStore } from "./store.ts";

/** So many crashes with one packet, the last of them with it alone, and the packet is the cause. */
export const CRASHES_MAX = 3;

/**
 * The packets that were there when one filter or output crashed. The actor hands them over in ever
 * smaller pieces until the one that does it is alone. Outlives the incarnations of its actor, and
 * the process.
 */
export type Suspects = {
  /** 0 while nothing is suspected: then nothing needs to be asked. */
  readonly size: number;
  /** How many packets of a batch of `countMax` may go together with this one. */
  share(delivery: Delivery, index: number, countMax: number): number;
  /** The reason for its dead letter when this packet is the cause; else undefined. */
  conviction(delivery: Delivery, index: number): DbusError | undefined;
  /** What was known of a packet; undefined when nothing is suspected of it. */
  of(delivery: Delivery, index: number): Crash | undefined;
  /** A call with these packets crashed; answers how often one of them has been in a crash. */
  crashed(suspected: readonly Place[], thrown: unknown): number;
  /** The packet was dealt with: it is the cause of nothing. */
  cleared(delivery: Delivery, from: number, to: number): void;
  /**
   * Calls the plugin with these packets; a careful node notes them first, for the next process if
   * this one does not survive it.
   */
  call<T>(delivery: Delivery, index: number, work: () => T): T;
  /** Whether each packet is to be handed over alone. */
  readonly careful: boolean;
  /** The cause was found: what else was there with it is not suspected any more. */
  found(): void;
};

/** `delivery.packets[from..to)`. */
export type Place = { readonly delivery: Delivery; readonly from: number; readonly to: number };

/** Beyond so many packets of one crash the rest is found by the next one. */
const KEPT_MAX = 4096;
/** Suspects that did not come again among so many packets never will: somebody moved the position. */
const PATIENCE = 1_000_000;

export type SuspectsDeps = {
  readonly node: string;
  readonly store: CrashStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Where a careful node notes the packet at hand; undefined for any other. */
  readonly atHand?: AtHand | undefined;
};

export function createSuspects({ node, store, clock, log, atHand }: SuspectsDeps): Suspects {
  const known = new Map<string, Crash>();
  for (const crash of store.list(node)) known.set(idOf(crash), crash);
  let strangers = 0;

  const keyOf = ({ partition, packets }: Delivery, index: number) => ({
    node,
    input: partition.input,
    resource: partition.resource,
    partition: partition.name,
    position: JSON.stringify((packets[index] as Packet).position),
  });
  const of = (delivery: Delivery, index: number) => known.get(idOf(keyOf(delivery, index)));

  /** The store must not decide over the restart: without it, crashes count until the process ends. */
  function stored(work: () => void): void {
    try {
      work();
    } catch (error) {
      log.warn("crashes cannot be written down", { error });
    }
  }

  function forgetAll(): void {
    if (known.size === 0) return;
    known.clear();
    strangers = 0;
    stored(() => store.clear(node));
  }

  return {
    get size() {
      return known.size;
    },
    of,
    careful: atHand !== undefined,
    call(delivery, index, work) {
      if (!atHand) return work();
      atHand.hand(keyOf(delivery, index));
      try {
        return work();
      } finally {
        atHand.done();
      }
    },
    share(delivery, index, countMax) {
      if (atHand) return 1;
      const crashes = of(delivery, index)?.crashes ?? 0;
      if (crashes === 0) return countMax;
      return crashes === 1 ? Math.ceil(Math.sqrt(countMax)) : 1;
    },
    conviction(delivery, index) {
      const crash = of(delivery, index);
      if (!crash || crash.crashes < CRASHES_MAX) return undefined;
      const since = new Date(crash.firstAt).toISOString();
      const times = `${node} crashed ${crash.crashes} times on it since ${since}`;
      return new DbusError("PACKET_POISON", `${times}, the last time with ${crash.reason}`);
    },
    crashed(suspected, thrown) {
      const { code, message } = toDbusError(thrown);
      const at = clock.wall();
      const added: Crash[] = [];
      for (const { delivery, from, to } of suspected) {
        if (delivery.partition.right.fenced) continue;
        for (let i = from; i < to && added.length < KEPT_MAX; i++) {
          const key = keyOf(delivery, i);
          const before = known.get(idOf(key));
          const crashes = (before?.crashes ?? 0) + 1;
          const firstAt = before?.firstAt ?? at;
          added.push({ ...key, crashes, code, reason: message, firstAt, lastAt: at });
        }
      }
      for (const crash of added) known.set(idOf(crash), crash);
      strangers = 0;
      stored(() => store.put(added));
      return Math.max(0, ...added.map(({ crashes }) => crashes));
    },
    cleared(delivery, from, to) {
      if (known.size === 0) return;
      const gone: Crash[] = [];
      for (let i = from; i < to; i++) {
        const crash = of(delivery, i);
        if (crash) gone.push(crash);
      }
      for (const crash of gone) known.delete(idOf(crash));
      strangers = gone.length > 0 ? 0 : strangers + to - from;
      if (gone.length > 0) stored(() => store.remove(gone));
      if (strangers > PATIENCE) forgetAll();
    },
    found: forgetAll,
  };
}

type Origin = Pick<Crash, "input" | "resource" | "partition" | "position">;

function idOf({ input, resource, partition, position }: Origin): string {
  return `${input}\n${resource}\n${partition}\n${position}`;
}

/**
 * Whether what a plugin threw may be the fault of the packets that it was given. A server that is
 * away, a password that is wrong, a call that takes too long are not: those concern every packet.
 */
export function isCrash(thrown: unknown): boolean {
  if (!(thrown instanceof DbusError)) return true;
  return thrown.kind === "bug" || thrown.code === "PACKET_INVALID";
}
