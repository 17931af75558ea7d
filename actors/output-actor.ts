import { defineActor, type Self } from "#src/actor/actor.ts";
import type { Clock } from "#src/clock.ts";
import type { OutputEntry } from "#src/config/config.ts";
import { isCrash, type Suspects } from "#src/crash/suspects.ts";
import type { Overtaking } from "#src/deadletter/overtaking.ts";
import type { DeadLetterStore } from "#src/deadletter/store.ts";
import { DbusError } from "#src/errors.ts";
import { type Batch, batchOf, createBatchQueue, type Range } from "#src/flow/batch.ts";
import { type Delivery, settle } from "#src/flow/delivery.ts";
import { createEmitGate } from "#src/flow/emit-gate.ts";
import type { OutputStats } from "#src/flow/node-stats.ts";
import { DELIVERED } from "#src/flow/outcome.ts";
import { retryDelay } from "#src/flow/retry-delay.ts";
import { type Sorted, sortVerdicts } from "#src/flow/verdicts.ts";
import type { Log } from "#src/log.ts";
import type { OutputContext } from "#src/plugin/context.ts";
import { closeUnwanted, isTimeout, withDeadline } from "#src/plugin/deadline.ts";
import type { Verdict } from "#src/plugin/define.ts";
import { type Emitting, nextToWrite, watchHeld } from "./emission.ts";
import { createForgetting, type Forgetting } from "./forgetting.ts";
import { condemn, crashOf, delivered, keepFailed } from "./isolation.ts";
import { endTimer, hurry, isDue, type Lingering, linger } from "./linger.ts";
import { closeOutput, fencesItself, openOutput, outputContext } from "./output-plugin.ts";
import type { OutputMessage } from "./protocol.ts";

export type OutputDeps = {
  readonly entry: OutputEntry;
  /** Tells the senders into this actor that it takes packets. */
  readonly attached: (incarnation: number) => void;
  readonly deadLetters: DeadLetterStore;
  readonly suspects: Suspects;
  readonly overtaking: Overtaking;
  readonly stats: OutputStats;
  readonly clock: Clock;
  readonly log: Log;
  readonly stateDir: string;
  readonly random: () => number;
};

type State = OutputDeps &
  Emitting &
  Lingering & {
    readonly context: OutputContext;
    readonly abort: AbortController;
    readonly forgetting: Forgetting;
    /** The batch that is being written, or waits to be written again: nothing newer goes before it. */
    batch: Batch | undefined;
    attempts: number;
    /** When a failed write was last logged: a sink that wavers must not flood the log. */
    warnedAt: number;
    /** Aborts when the write that is under way has ended. */
    writing: AbortController | undefined;
    plugin: { readonly value: unknown } | undefined;
    /** Whether the sink refuses by itself whoever has lost its right. */
    sinkFences: boolean;
  };

const WARN_EVERY_MS = 10_000;

/**
 * Gathers batches and writes them one after the other. A packet that must be tried again goes
 * before anything newer, so one key's packets stay in order through retries (invariant 3).
 */
export const outputActor = defineActor<OutputDeps, State, OutputMessage>({
  name: "output",
  init(deps, self) {
    self.clearData();
    Object.assign(deps.stats, { queued: 0, note: null, blocked: false });
    const abort = new AbortController();
    const context = outputContext(deps, abort.signal, () => state.batch);
    self.pipe(
      openOutput(deps, context),
      (plugin) => ({ kind: "opened", plugin }),
      (error) => ({ kind: "crashed", error }),
      (plugin) => closeUnwanted(plugin, (opened) => deps.entry.plugin.close?.(opened)),
    );
    const state: State = {
      ...deps,
      context,
      abort,
      forgetting: createForgetting(deps.entry),
      queue: createBatchQueue(),
      gate: createEmitGate(() => state.sinkFences),
      look: undefined,
      heldNote: null,
      batch: undefined,
      attempts: 0,
      warnedAt: Number.NEGATIVE_INFINITY,
      timer: undefined,
      hasty: undefined,
      writing: undefined,
      plugin: undefined,
      sinkFences: false,
    };
    return state;
  },
  receive(state, message, self) {
    switch (message.kind) {
      case "deliver":
        if (message.incarnation === self.incarnation) enqueue(state, message, self);
        return undefined;
      case "opened":
        state.plugin = { value: message.plugin };
        state.sinkFences = fencesItself(state.entry, message.plugin);
        state.stats.ready = true;
        state.forgetting.opened(message.plugin);
        state.attached(self.incarnation);
        return undefined;
      case "forget":
        state.forgetting.add(message);
        return undefined;
      case "flush":
        endTimer(state);
        flush(state, self);
        return undefined;
      case "written":
        state.writing?.abort();
        state.writing = undefined;
        conclude(state, message.verdicts, self);
        return undefined;
      case "refused":
        state.writing?.abort();
        state.writing = undefined;
        retryAll(state, message.error, self);
        return undefined;
      case "crashed":
        self.fail(message.error);
        return undefined;
      case "emission":
        lookAgain(state, self);
        return undefined;
      case "hurry":
        if (!state.batch && !state.writing) hurry(state, self);
        return undefined;
    }
  },
  stop: (state) => closeOutput(state, state.writing?.signal),
  abandon(state, error) {
    const { writing, batch, suspects, stats } = state;
    // What was thrown elsewhere while a batch was being written may be about that batch.
    if (writing && batch && isCrash(error)) suspects.crashed(batch.ranges, error);
    if (isTimeout(error)) stats.timeouts++;
    stats.suspects = suspects.size;
    void closeOutput(state).catch(() => {});
  },
});

function enqueue(state: State, delivery: Delivery, self: Self<OutputMessage>): void {
  state.queue.push(delivery);
  state.stats.queued = state.queue.packets + state.gate.packets;
  if (!state.batch && !state.writing) flushWhenDue(state, delivery, self);
}

/** Writes at once what fills a batch or need not linger, else when the linger time is over. */
function flushWhenDue(state: State, came: Delivery, self: Self<OutputMessage>): void {
  if (!isDue(state)) {
    linger(state, self, came);
    return;
  }
  endTimer(state);
  flush(state, self);
}

/** What may go out has changed, or may have. A batch that waits goes on waiting, unless fenced. */
function lookAgain(state: State, self: Self<OutputMessage>): void {
  state.look?.cancel();
  state.look = undefined;
  if (state.writing || !state.plugin) return;
  if (state.batch) {
    state.batch = state.gate.unfenced(state.batch);
    if (state.batch) return;
    endTimer(state);
    recovered(state);
  }
  goOn(state, self);
}

/** Writes what may go out of the batch at hand, or of the next one: nothing is awaited in between. */
function flush(state: State, self: Self<OutputMessage>): void {
  if (state.writing || !state.plugin) return;
  const batch = nextToWrite(state);
  state.batch = batch;
  if (!batch) {
    recovered(state);
    goOn(state, self);
    return;
  }
  if (state.suspects.size > 0 && condemn(state, batch)) {
    goOn(state, self);
    return;
  }
  let answer: ReturnType<typeof state.entry.plugin.write>;
  try {
    answer = write(state, state.plugin.value, batch);
  } catch (error) {
    retryAll(state, error, self);
    return;
  }
  if (answer instanceof Promise) {
    state.writing = new AbortController();
    const { clock, entry } = state;
    const what = `write of ${entry.name}`;
    self.pipe(
      withDeadline(answer, { clock, ms: entry.timeoutMs, what }),
      (verdicts) => ({ kind: "written", verdicts }),
      (error) => ({ kind: "refused", error }),
    );
  } else conclude(state, answer, self);
}

function write({ entry, context, suspects }: State, plugin: unknown, batch: Batch) {
  const { packets } = batch;
  const [first] = batch.ranges;
  if (!first || !suspects.careful) return entry.plugin.write(plugin, packets, context);
  const work = () => entry.plugin.write(plugin, packets, context);
  return suspects.call(first.delivery, first.from, work);
}

/** Acts on the verdicts: settles what is done, keeps what failed, holds on to what must go again. */
function conclude(
  state: State,
  verdicts: readonly Verdict[] | undefined,
  self: Self<OutputMessage>,
): void {
  const { batch } = state;
  if (!batch) return;
  const { packets } = batch;
  if (verdicts && verdicts.length !== packets.length) {
    const what = `${verdicts.length} verdicts for ${packets.length} packets`;
    crashed(state, new DbusError("PACKET_INVALID", `${state.entry.name} gave ${what}`), self);
    return;
  }
  if (!verdicts || verdicts.every((verdict) => verdict === "done")) {
    for (const range of batch.ranges) delivered(state, range);
    recovered(state);
    goOn(state, self);
    return;
  }
  const sorted = sortVerdicts(batch, verdicts, state.entry.onFailed);
  const { done, lost, failed, again, cause } = sorted;
  keepFailed(state, failed);
  for (const { delivery, from, to } of lost) settle(delivery, from, to, DELIVERED);
  for (const range of done) delivered(state, range);
  // A sink that takes some of it is not down: its delays begin anew.
  if (again.length < packets.length) recovered(state);
  if (cause) retry(state, again, { ...sorted, cause }, self);
  else goOn(state, self);
}

function crashed(state: State, thrown: unknown, self: Self<OutputMessage>): void {
  state.writing = undefined;
  self.fail(state.batch ? crashOf(state, state.batch, thrown) : thrown);
}

function retryAll(state: State, thrown: unknown, self: Self<OutputMessage>): void {
  const cause = thrown instanceof DbusError ? thrown : undefined;
  if (cause?.kind !== "retry" || isTimeout(thrown) || !state.batch) {
    crashed(state, thrown, self);
    return;
  }
  retry(state, state.batch.ranges, { cause, blocked: false, delayMs: 0 }, self);
}

/** Writes the next batch, now or when it is full or has waited long enough. */
function goOn(state: State, self: Self<OutputMessage>): void {
  state.batch = undefined;
  const { queue, gate } = state;
  if (gate.ready || (queue.packets > 0 && isDue(state))) self.signal({ kind: "flush" });
  else if (queue.packets > 0) linger(state, self);
  watchHeld(state, self);
}

/** Keeps what is left of a batch and writes it again after a while, before anything newer. */
function retry(
  state: State,
  ranges: readonly Range[],
  { cause, blocked, delayMs }: Pick<Sorted, "blocked" | "delayMs"> & { readonly cause: Error },
  self: Self<OutputMessage>,
): void {
  const { stats, log, clock } = state;
  state.batch = batchOf(ranges);
  stats.retried += state.batch.packets.length;
  const code = cause instanceof DbusError ? `${cause.code}: ` : "";
  stats.note = `retrying: ${code}${cause.message}`;
  stats.blocked = blocked;
  if (state.attempts === 0 && clock.now() - state.warnedAt > WARN_EVERY_MS) {
    state.warnedAt = clock.now();
    log.warn("a write failed; it is tried again", { error: cause });
  }
  const waitMs = Math.max(delayMs, retryDelay(state.entry.retry, state.attempts, state.random));
  state.attempts++;
  state.timer?.cancel();
  state.timer = self.after(waitMs, { kind: "flush" });
}

function recovered(state: State): void {
  if (state.attempts === 0) return;
  Object.assign(state.stats, { note: null, blocked: false });
  state.attempts = 0;
}
