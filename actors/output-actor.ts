import { defineActor, type Self } from "#src/actor/actor.ts";
import { backoffDelay } from "#src/actor/backoff.ts";
import { createDeque, type Deque } from "#src/actor/deque.ts";
import type { Clock, Timer } from "#src/clock.ts";
import type { OutputEntry } from "#src/config/config.ts";
import { deadLetter } from "#src/deadletter/letter.ts";
import type { DeadLetterStore } from "#src/deadletter/store.ts";
import { DbusError, toDbusError } from "#src/errors.ts";
import { type Attached, type Delivery, settle } from "#src/flow/delivery.ts";
import type { OutputStats } from "#src/flow/node-stats.ts";
import { DEADLETTERED, DELIVERED } from "#src/flow/outcome.ts";
import type { Packet } from "#src/flow/packet.ts";
import type { Log } from "#src/log.ts";
import type { OutputContext } from "#src/plugin/context.ts";
import type { Verdict } from "#src/plugin/define.ts";
import type { OutputMessage } from "./protocol.ts";

export type OutputDeps = {
  readonly entry: OutputEntry;
  readonly upstream: readonly { signal(message: Attached): void }[];
  readonly deadLetters: DeadLetterStore;
  readonly stats: OutputStats;
  readonly clock: Clock;
  readonly log: Log;
  readonly stateDir: string;
  readonly random: () => number;
};

/** `delivery.packets[from..to)`. */
type Range = { readonly delivery: Delivery; readonly from: number; readonly to: number };
type Batch = { readonly ranges: readonly Range[]; readonly packets: readonly Packet[] };

type State = OutputDeps & {
  readonly context: OutputContext;
  readonly abort: AbortController;
  /** What came in and is not in a batch yet; `Delivery.taken` says how far the first is. */
  readonly queue: Deque<Delivery>;
  queuedBytes: number;
  /** The batch that is being written, or waits to be written again: nothing newer goes before it. */
  batch: Batch | undefined;
  attempts: number;
  /** Runs while a batch may still fill up, or until it may be tried again. */
  timer: Timer | undefined;
  writing: boolean;
  plugin: { readonly value: unknown } | undefined;
};

/**
 * Gathers batches and writes them one after the other. A packet that must be tried again goes
 * before anything newer, so one key's packets stay in order through retries (invariant 3).
 */
export const outputActor = defineActor<OutputDeps, State, OutputMessage>({
  name: "output",
  init(deps, self) {
    self.clearData();
    deps.stats.queued = 0;
    deps.stats.note = null;
    const abort = new AbortController();
    const { entry, clock, log, stateDir, stats } = deps;
    const context: OutputContext = {
      name: entry.name,
      clock,
      log,
      stateDir,
      signal: abort.signal,
      reportState: (note) => {
        stats.note = note;
      },
    };
    self.pipe(
      Promise.resolve().then(() => entry.plugin.open(context, entry.config)),
      (plugin) => ({ kind: "opened", plugin }),
      (error) => ({ kind: "crashed", error }),
    );
    return {
      ...deps,
      context,
      abort,
      queue: createDeque<Delivery>(),
      queuedBytes: 0,
      batch: undefined,
      attempts: 0,
      timer: undefined,
      writing: false,
      plugin: undefined,
    };
  },
  receive(state, message, self) {
    switch (message.kind) {
      case "deliver":
        if (message.incarnation === self.incarnation) enqueue(state, message, self);
        return undefined;
      case "opened":
        state.plugin = { value: message.plugin };
        state.stats.ready = true;
        for (const sender of state.upstream) {
          const { incarnation } = self;
          sender.signal({ kind: "attached", to: state.entry.name, incarnation });
        }
        return undefined;
      case "flush":
        state.timer = undefined;
        flush(state, self);
        return undefined;
      case "written":
        state.writing = false;
        conclude(state, message.verdicts, self);
        return undefined;
      case "refused":
        state.writing = false;
        retryAll(state, message.error, self);
        return undefined;
      case "crashed":
        self.fail(message.error);
        return undefined;
    }
  },
  stop: (state) => close(state),
  abandon(state) {
    void close(state).catch(() => {});
  },
});

async function close(state: State): Promise<void> {
  state.timer?.cancel();
  state.abort.abort();
  const { plugin } = state;
  state.plugin = undefined;
  state.stats.ready = false;
  if (plugin) await state.entry.plugin.close?.(plugin.value);
}

function enqueue(state: State, delivery: Delivery, self: Self<OutputMessage>): void {
  state.queue.push(delivery);
  state.stats.queued += delivery.packets.length;
  for (const packet of delivery.packets) state.queuedBytes += packet.bytes;
  const { countMax, bytesMax, lingerMs } = state.entry.batch;
  if (state.batch || state.writing) return;
  if (state.stats.queued >= countMax || state.queuedBytes >= bytesMax || lingerMs === 0) {
    state.timer?.cancel();
    state.timer = undefined;
    flush(state, self);
  } else state.timer ??= self.after(lingerMs, { kind: "flush" });
}

/** Writes the batch at hand, or the next one of the queue. */
function flush(state: State, self: Self<OutputMessage>): void {
  if (state.writing || !state.plugin) return;
  state.batch ??= takeBatch(state);
  const { batch } = state;
  if (!batch) return;
  let answer: ReturnType<typeof state.entry.plugin.write>;
  try {
    answer = state.entry.plugin.write(state.plugin.value, batch.packets, state.context);
  } catch (error) {
    retryAll(state, error, self);
    return;
  }
  if (answer instanceof Promise) {
    state.writing = true;
    self.pipe(
      answer,
      (verdicts) => ({ kind: "written", verdicts }),
      (error) => ({ kind: "refused", error }),
    );
  } else conclude(state, answer, self);
}

/** The next batch from the front of the queue, within the policy's count and bytes. */
function takeBatch(state: State): Batch | undefined {
  const { countMax, bytesMax } = state.entry.batch;
  const ranges: Range[] = [];
  let count = 0;
  let bytes = 0;
  for (let delivery = state.queue.peek(); delivery; delivery = state.queue.peek()) {
    const from = delivery.taken;
    let to = from;
    while (to < delivery.packets.length && count < countMax) {
      const size = (delivery.packets[to] as Packet).bytes;
      if (count > 0 && bytes + size > bytesMax) break;
      bytes += size;
      count++;
      to++;
    }
    if (to > from) ranges.push({ delivery, from, to });
    delivery.taken = to;
    if (to < delivery.packets.length) break;
    state.queue.shift();
  }
  state.queuedBytes -= bytes;
  state.stats.queued -= count;
  return count === 0 ? undefined : { ranges, packets: packetsOf(ranges) };
}

function packetsOf(ranges: readonly Range[]): readonly Packet[] {
  const [only] = ranges;
  if (ranges.length === 1 && only && only.from === 0 && only.to === only.delivery.packets.length) {
    return only.delivery.packets;
  }
  return ranges.flatMap(({ delivery, from, to }) => delivery.packets.slice(from, to));
}

/** Acts on the verdicts: settles what is done, keeps what failed, holds on to what must go again. */
function conclude(
  state: State,
  verdicts: readonly Verdict[] | undefined,
  self: Self<OutputMessage>,
): void {
  const { batch, stats } = state;
  if (!batch) return;
  const { packets } = batch;
  if (verdicts && verdicts.length !== packets.length) {
    throw new DbusError(
      "PACKET_INVALID",
      `${state.entry.name} gave ${verdicts.length} verdicts for ${packets.length} packets`,
    );
  }
  if (!verdicts || verdicts.every((verdict) => verdict === "done")) {
    for (const { delivery, from, to } of batch.ranges) settle(delivery, from, to, DELIVERED);
    count(stats, packets);
    finish(state, undefined, self);
    return;
  }
  const failed: { readonly range: Range; readonly error: DbusError }[] = [];
  const again: Range[] = [];
  let delayMs = 0;
  eachPacket(batch, (range, i) => {
    const verdict = verdicts[i] as Verdict;
    if (verdict === "done") {
      settle(range.delivery, range.from, range.to, DELIVERED);
      count(stats, [packets[i] as Packet]);
    } else if ("failed" in verdict && state.entry.onFailed === "deadletter") {
      failed.push({ range, error: toDbusError(verdict.failed, "OUTPUT_REJECTED") });
    } else {
      const error = "failed" in verdict ? verdict.failed : verdict.error;
      stats.note = `${"failed" in verdict ? "blocked" : "retrying"}: ${error.message}`;
      if (!("failed" in verdict)) delayMs = Math.max(delayMs, verdict.retryAfterMs);
      again.push(range);
    }
  });
  keepFailed(state, failed);
  finish(state, again.length > 0 ? { ranges: again, delayMs } : undefined, self);
}

/** Calls `act` with each packet of a batch as a range of one. */
function eachPacket(batch: Batch, act: (range: Range, index: number) => void): void {
  let index = 0;
  for (const { delivery, from, to } of batch.ranges) {
    for (let i = from; i < to; i++) act({ delivery, from: i, to: i + 1 }, index++);
  }
}

/** Into the dead letters first, settled after: a full disk must not lose what the sink refused. */
function keepFailed(
  state: State,
  failed: readonly { readonly range: Range; readonly error: DbusError }[],
): void {
  if (failed.length === 0) return;
  const { deadLetters, entry, log, stats } = state;
  deadLetters.put(
    failed.map(({ range: { delivery, from }, error }) =>
      deadLetter(entry.name, delivery.partition, delivery.packets[from] as Packet, error),
    ),
  );
  for (const { range } of failed) settle(range.delivery, range.from, range.to, DEADLETTERED);
  stats.failed += failed.length;
  const [first] = failed;
  log.warn("packets were refused for good; they are in the dead letters", {
    count: failed.length,
    error: first?.error,
  });
}

function count(stats: OutputStats, packets: readonly Packet[]): void {
  stats.packets += packets.length;
  for (const packet of packets) stats.bytes += packet.bytes;
}

function retryAll(state: State, thrown: unknown, self: Self<OutputMessage>): void {
  const error = thrown instanceof DbusError ? thrown : undefined;
  if (error?.kind !== "retry" || !state.batch) {
    self.fail(thrown);
    return;
  }
  state.stats.note = `retrying: ${error.message}`;
  finish(state, { ranges: state.batch.ranges, delayMs: 0 }, self);
}

/** Ends a write: goes on with the queue, or waits before what is left of the batch goes again. */
function finish(
  state: State,
  again: { readonly ranges: readonly Range[]; readonly delayMs: number } | undefined,
  self: Self<OutputMessage>,
): void {
  if (!again) {
    state.batch = undefined;
    if (state.attempts > 0) state.stats.note = null;
    state.attempts = 0;
    const { countMax, bytesMax, lingerMs } = state.entry.batch;
    if (state.stats.queued === 0) return;
    const full = state.stats.queued >= countMax || state.queuedBytes >= bytesMax;
    if (full || lingerMs === 0) self.signal({ kind: "flush" });
    else state.timer ??= self.after(lingerMs, { kind: "flush" });
    return;
  }
  const packets = packetsOf(again.ranges);
  state.batch = { ranges: again.ranges, packets };
  state.stats.retried += packets.length;
  const delayMs = Math.max(again.delayMs, retryDelay(state));
  state.attempts++;
  state.timer?.cancel();
  state.timer = self.after(delayMs, { kind: "flush" });
}

/** The first `times` retries come after a fixed delay, those after them after a growing one. */
function retryDelay({ entry: { retry }, attempts, random }: State): number {
  if (attempts < retry.times) return retry.delayMs;
  const policy = { minMs: retry.delayMs, maxMs: retry.delayMsMax, randomFactor: 0.2 };
  return backoffDelay(policy, attempts - retry.times, random);
}
