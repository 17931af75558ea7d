import { defineActor, type Self } from "#src/actor/actor.ts";
import type { Clock } from "#src/clock.ts";
import type { BusConfig, FilterEntry } from "#src/config/config.ts";
import type { Suspects } from "#src/crash/suspects.ts";
import type { Overtaking } from "#src/deadletter/overtaking.ts";
import type { DeadLetterStore } from "#src/deadletter/store.ts";
import { DbusError } from "#src/errors.ts";
import { type Delivery, discard, seqOf, settle } from "#src/flow/delivery.ts";
import type { FilterStats } from "#src/flow/node-stats.ts";
import { DELIVERED } from "#src/flow/outcome.ts";
import type { Outlet } from "#src/flow/outlet.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { Log } from "#src/log.ts";
import type { FilterContext } from "#src/plugin/context.ts";
import { closeInTime, closeUnwanted, isTimeout, openInTime } from "#src/plugin/deadline.ts";
import type { Applied } from "#src/plugin/define.ts";
import { applyCarefully, nextCarefully, suspectedBy } from "./careful-filter.ts";
import { refusalOf } from "./filter-array.ts";
import { keepRefused, type Refused, refuse } from "./filter-refusal.ts";
import { type Gathering, gatheringOf, gatherOf } from "./gathering.ts";
import { awaitAnswer, type LateAnswer } from "./late-answer.ts";
import type { FilterMessage } from "./protocol.ts";

export type FilterDeps = {
  readonly entry: FilterEntry;
  readonly outlet: Outlet;
  /** Tells the senders into this actor that it takes packets. */
  readonly attached: (incarnation: number) => void;
  readonly deadLetters: DeadLetterStore;
  readonly suspects: Suspects;
  readonly overtaking: Overtaking;
  readonly stats: FilterStats;
  readonly clock: Clock;
  readonly log: Log;
  readonly stateDir: string;
  /** What may be in flight, for a filter that gathers. */
  readonly bus: Pick<BusConfig, "window" | "edge">;
  readonly load: FilterContext["load"];
};

/** What a lane is in the middle of: the packet at `delivery.taken`, and what is left of its result. */
type Job = { delivery: Delivery; rest: Iterator<Packet> | undefined; next: Packet | undefined };

type State = FilterDeps & {
  readonly context: FilterContext;
  readonly abort: AbortController;
  readonly jobs: Map<number, Job>;
  /** Lanes whose `apply` is asynchronous and has not ended, with the result once it has. */
  readonly waiting: Map<number, LateAnswer>;
  plugin: { readonly value: unknown } | undefined;
  /** Of a filter that gathers, once it is open. */
  gathering: Gathering | undefined;
};

/**
 * Applies a filter. A packet is settled towards its sender when all of what became of it was sent
 * on; without credit for that the lane is held in the middle of the packet, and no other.
 */
export const filterActor = defineActor<FilterDeps, State, FilterMessage>({
  name: "filter",
  init(deps, self) {
    self.clearData();
    const abort = new AbortController();
    const { entry, clock, log, stateDir, load } = deps;
    const context = {
      name: entry.name,
      ident: entry.ident,
      clock,
      log,
      stateDir,
      load,
      signal: abort.signal,
    };
    const state: State = {
      ...deps,
      context,
      abort,
      jobs: new Map(),
      waiting: new Map(),
      plugin: undefined,
      gathering: undefined,
    };
    const closePlugin = (opened: unknown) => entry.plugin.close?.(opened);
    self.pipe(
      openInTime({
        clock,
        ms: entry.timeoutMs,
        name: entry.name,
        open: () => entry.plugin.open(context, entry.config),
        close: closePlugin,
      }),
      (plugin) => ({ kind: "opened", plugin }),
      (error) => ({ kind: "crashed", error }),
      (plugin) => closeUnwanted(plugin, closePlugin),
    );
    return state;
  },
  receive(state, message, self) {
    switch (message.kind) {
      case "deliver":
        if (message.incarnation !== self.incarnation) return undefined;
        if (message.partition.right.fenced) {
          drop(state, message, self);
          return undefined;
        }
        if (state.gathering) return gatherOf(state.gathering, message, self);
        return work(state, message, self) ? undefined : "hold";
      case "settled":
        state.outlet.settled(message);
        state.gathering?.goOn(message.delivery.partition.lane);
        if (!state.waiting.has(message.delivery.partition.lane))
          self.release(message.delivery.partition.lane);
        return undefined;
      case "attached":
        state.outlet.attached(message);
        self.releaseAll();
        return undefined;
      case "emission":
        self.releaseAll();
        return undefined;
      case "opened":
        state.plugin = { value: message.plugin };
        state.gathering = gatheringOf(state, message.plugin, self);
        state.stats.ready = true;
        state.attached(self.incarnation);
        return undefined;
      case "flush":
        state.gathering?.flush(message.lane);
        return undefined;
      case "hurry":
        state.gathering?.hurry(message.lane);
        return undefined;
      case "applied":
        self.release(message.lane);
        if (state.suspects.size > 0) self.releaseAll();
        return undefined;
      case "crashed":
        self.fail(message.error);
        return undefined;
    }
  },
  async stop(state) {
    await close(state);
  },
  abandon(state, error) {
    const { suspects, stats } = state;
    const suspected = suspectedBy(state, error);
    if (suspected.length > 0) suspects.crashed(suspected, error);
    if (isTimeout(error)) stats.timeouts++;
    stats.suspects = suspects.size;
    void close(state).catch(() => {});
  },
});

async function close(state: State): Promise<void> {
  state.abort.abort();
  const { plugin } = state;
  state.plugin = undefined;
  state.stats.ready = false;
  if (plugin) await closeInTime(state, () => state.entry.plugin.close?.(plugin.value));
}

/** Of a fenced partition: what an `apply` that is under way will answer is nobody's any more. */
function drop(state: State, delivery: Delivery, self: Self<FilterMessage>): void {
  const { lane } = delivery.partition;
  state.jobs.delete(lane);
  // While something is suspected, others wait for it.
  if (state.waiting.delete(lane) && state.suspects.size > 0) self.releaseAll();
  discard(delivery);
}

/** Works on a delivery as far as credit and asynchronous results allow; true when it is done. */
function work(state: State, delivery: Delivery, self: Self<FilterMessage>): boolean {
  const { partition, packets } = delivery;
  let job = state.jobs.get(partition.lane);
  if (job?.delivery !== delivery) {
    job = { delivery, rest: undefined, next: undefined };
    state.jobs.set(partition.lane, job);
  }
  let begin = delivery.taken;
  let blocked: DbusError | undefined;
  const refused: Refused[] = [];
  const conclude = () => {
    state.outlet.flush();
    keepRefused(state, delivery, refused.splice(0), (index) => {
      passed(state, delivery, begin, index);
      begin = index + 1;
    });
    passed(state, delivery, begin, delivery.taken);
    begin = delivery.taken;
  };
  while (delivery.taken < packets.length) {
    const outcome = applyNext(state, job, self);
    if (outcome === undefined) break;
    blocked = outcome instanceof DbusError ? outcome : undefined;
    if (blocked) break;
    if (typeof outcome === "object") refused.push(outcome as Refused);
    // While it is being found out which packet is the cause of crashes each is done with by itself.
    if (state.suspects.size > 0) conclude();
  }
  // Also of one that blocks: what stands before it has found its way, and is not sent again.
  conclude();
  if (blocked) self.fail(blocked);
  const done = delivery.taken === packets.length;
  if (done) state.jobs.delete(partition.lane);
  return done;
}

/** Deals with one packet; undefined when it has to wait, and `taken` stays. */
function applyNext(state: State, job: Job, self: Self<FilterMessage>) {
  const { delivery } = job;
  const seq = seqOf(delivery, delivery.taken);
  if (job.next === undefined && job.rest === undefined) {
    let applied: Applied | undefined;
    try {
      applied = applyPlugin(state, delivery, self);
    } catch (error) {
      return refuse(state, delivery, error);
    }
    if (applied === undefined) return undefined;
    if (applied === null) {
      state.stats.dropped++;
      return taken(state, delivery);
    }
    const tooMany = Array.isArray(applied) ? refusalOf(applied) : undefined;
    if (tooMany) return refuse(state, delivery, tooMany);
    if ("payload" in applied) job.next = applied as Packet;
    else job.rest = (applied as Iterable<Packet>)[Symbol.iterator]();
  }
  return sendRest(state, job, seq);
}

function passed({ overtaking, entry }: State, delivery: Delivery, from: number, to: number): void {
  settle(delivery, from, to, DELIVERED);
  overtaking.passed(entry.name, delivery, from, to);
}

/** The packet at hand is dealt with. */
function taken({ suspects, stats }: State, delivery: Delivery) {
  if (suspects.size > 0) {
    suspects.cleared(delivery, delivery.taken, delivery.taken + 1);
    stats.suspects = suspects.size;
  }
  delivery.taken++;
  stats.packets++;
  return DELIVERED;
}

function sendRest(state: State, job: Job, seq: number) {
  const { delivery } = job;
  const { suspects } = state;
  for (;;) {
    if (job.next === undefined) {
      let step: IteratorResult<Packet> | undefined;
      try {
        step = suspects.careful ? nextCarefully(suspects, job) : job.rest?.next();
      } catch (error) {
        job.rest = undefined;
        return refuse(state, delivery, error);
      }
      if (!step || step.done) break;
      job.next = step.value;
    }
    if (!state.outlet.offer(delivery.partition, job.next, seq)) return undefined;
    state.stats.emitted++;
    job.next = undefined;
    if (!job.rest) break;
  }
  job.rest = undefined;
  return taken(state, delivery);
}

/** The plugin's answer for the packet at hand; undefined while it is not there yet. */
function applyPlugin(state: State, delivery: Delivery, self: Self<FilterMessage>) {
  const { lane } = delivery.partition;
  const waiting = state.waiting.get(lane);
  if (waiting) {
    if (!waiting.ended) return undefined;
    state.waiting.delete(lane);
    if (waiting.error !== undefined) throw waiting.error;
    return waiting.result ?? null;
  }
  if (state.suspects.size > 0) {
    const error = state.suspects.conviction(delivery, delivery.taken);
    if (error) throw error;
    // One at a time, so that it is known which one it was.
    if (state.waiting.size > 0) return undefined;
  }
  const packet = delivery.packets[delivery.taken] as Packet;
  const { plugin } = state.entry;
  const opened = state.plugin?.value;
  const answer = state.suspects.careful
    ? applyCarefully(state, opened, delivery)
    : plugin.apply(opened, packet, state.context);
  if (answer instanceof Promise) awaitAnswer(state, lane, answer, self);
  return answer instanceof Promise ? undefined : answer;
}
