import { type Clock, type InputContext, sleep, toDbusError } from "#plugin";
import { type HandleDeps, handle } from "./handle.ts";
import { measureLag } from "./lag.ts";
import { look } from "./look.ts";
import { createMembership, type Membership, persist } from "./membership.ts";
import { packetMaker } from "./packets.ts";
import { createPlaces, type Places } from "./places.ts";
import { type Reader, recordsMax } from "./reader.ts";

const pollWaitMs = 1_000;
const lagMs = 2_000;
const lastCommitMsMax = 3_000;
/** A topic that is not there yet is looked for that often. */
const missingMs = 1_000;
/** Others want their turn on this thread, heartbeats and timers among them. */
const turnMs = 10;

/**
 * Reads until it is told to stop or something needs a person. What is in flight then has `drainMs`
 * to be settled, is committed to the group, and the group is left: so the next one begins there.
 */
export async function run(reader: Reader, context: InputContext): Promise<void> {
  const work = new AbortController();
  const end = () => work.abort();
  const { signal } = work;
  let failure: unknown;
  const fail = (error: unknown) => {
    failure ??= error;
    end();
  };
  context.signal.addEventListener("abort", end, { once: true });
  if (context.signal.aborted) end();
  const places = createPlaces(reader, context);
  const membership = createMembership({ reader, places, context, signal, fail });
  const { config } = reader;
  const apart = (what: () => Promise<void>) => void persist(what, { context, signal }).catch(fail);
  const lookAround = () => look({ reader, places, membership, context, apart });
  const every = (ms: () => number, what: () => Promise<void>) =>
    repeat(context.clock, ms, what, signal).catch(fail);
  try {
    await persist(lookAround, { context, signal });
    void every(
      () =>
        reader.discovery.incomplete ? Math.min(missingMs, config.refreshMs) : config.refreshMs,
      lookAround,
    );
    void every(
      () => config.commitMs,
      () => membership.commit(places.all()),
    );
    void every(
      () => lagMs,
      () => measureLag(reader, places, context),
    );
    await pump({ reader, places, context, apart }, signal);
  } catch (error) {
    fail(error);
  } finally {
    context.signal.removeEventListener("abort", end);
    end();
    await windUp(places, membership, failure === undefined ? config.drainMs : 0, context.clock);
  }
  if (failure !== undefined && !context.signal.aborted) throw toDbusError(failure);
}

async function windUp(
  places: Places,
  membership: Membership,
  drainMs: number,
  clock: Clock,
): Promise<void> {
  const all = places.all();
  await places.drain(all, drainMs);
  const late = new AbortController();
  const committed = membership.commit(all).catch(() => {});
  // A broker that does not answer holds up no stop: the checkpoint is here.
  await Promise.race([committed, sleep(clock, lastCommitMsMax, late.signal)]);
  late.abort();
  await membership.leave();
}

async function pump(deps: Omit<HandleDeps, "make">, signal: AbortSignal): Promise<void> {
  const { reader, context } = deps;
  const { clock } = context;
  const make = packetMaker(reader.config.format, await reader.consumer.clusterId());
  const aborted = new Promise<void>((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  let turnEnds = clock.now() + turnMs;
  while (!signal.aborted) {
    const room = context.room(recordsMax, reader.config.partitionBytesMax);
    if (room) await Promise.race([room.catch(() => {}), aborted]);
    if (signal.aborted) return;
    const polled = await reader.consumer.poll(pollWaitMs, signal);
    if (polled) {
      const handing = handle(polled, { ...deps, make });
      await Promise.race([handing, aborted]);
      if (signal.aborted) handing.catch(() => {});
    }
    if (clock.now() < turnEnds) continue;
    await new Promise((resolve) => setImmediate(resolve));
    turnEnds = clock.now() + turnMs;
  }
}

/** Does it again and again; what may pass by itself is tried again the next time. */
async function repeat(
  clock: Clock,
  ms: () => number,
  what: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await sleep(clock, ms(), signal);
    if (signal.aborted) return;
    try {
      await what();
    } catch (thrown) {
      const error = toDbusError(thrown);
      if (error.kind !== "retry") throw error;
    }
  }
}
