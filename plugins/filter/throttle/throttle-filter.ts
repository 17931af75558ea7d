import { z } from "zod";
import { type Clock, DbusError, defineFilter, type Packet, sleep } from "#plugin";
import { under } from "#src/format/packet-parts.ts";

/*
 * Lets so many packets a second pass and makes the others wait, in order: nothing is dropped, and
 * the input waits too. The rate is that of the whole filter, over all that feeds it.
 */
const configSchema = z.strictObject({
  perSecond: z.int().min(1).max(1_000_000).describe("Packets a second."),
  burst: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe("So many may pass at once after a pause. Default: as many as in a second."),
});

type Config = z.infer<typeof configSchema>;
type State = {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly ident: string;
  readonly msPerPacket: number;
  /** How far the rate may be used ahead of time, in milliseconds. */
  readonly aheadMs: number;
  /** When a packet would pass if all that passed before it had kept to the rate. */
  dueAt: number;
};

export const throttleFilter = defineFilter<Config, State>({
  name: "ThrottleFilter",
  summary: "Lets so many packets a second pass; the others wait.",
  configSchema,
  single: () => true,
  // To wait is what it is for: with many partitions a packet waits for one of each of the others.
  defaults: { timeoutMs: 0 },
  open: ({ ident, clock, signal }, { perSecond, burst = perSecond }) => {
    const msPerPacket = 1_000 / perSecond;
    const aheadMs = (burst - 1) * msPerPacket;
    return { clock, signal, ident, msPerPacket, aheadMs, dueAt: clock.now() };
  },
  apply(state, packet) {
    const { clock, msPerPacket, aheadMs, ident } = state;
    const now = clock.now();
    const dueAt = Math.max(state.dueAt, now);
    state.dueAt = dueAt + msPerPacket;
    const waitMs = dueAt - now - aheadMs;
    const passed = under(packet, ident);
    // A timer is no finer than a millisecond.
    return waitMs < 1 ? passed : later(state, passed, waitMs);
  },
});

async function later({ clock, signal }: State, packet: Packet, waitMs: number): Promise<Packet> {
  await sleep(clock, waitMs, signal);
  if (signal.aborted) throw new DbusError("ACTOR_UNAVAILABLE", "the filter was told to stop");
  return packet;
}
