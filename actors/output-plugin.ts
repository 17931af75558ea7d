import { type Clock, sleep, type Timer } from "#src/clock.ts";
import type { OutputEntry } from "#src/config/config.ts";
import type { Batch } from "#src/flow/batch.ts";
import type { OutputStats } from "#src/flow/node-stats.ts";
import { noteThrottle } from "#src/flow/throttle.ts";
import type { Log } from "#src/log.ts";
import type { OutputContext } from "#src/plugin/context.ts";
import { closeInTime, openInTime } from "#src/plugin/deadline.ts";
import type { SinkFences } from "#src/plugin/define.ts";
import { fencesOf, sourcesOf } from "./emission.ts";

type Deps = {
  readonly entry: OutputEntry;
  readonly stats: OutputStats;
  readonly clock: Clock;
  readonly log: Log;
  readonly stateDir: string;
};

type Open = Deps & {
  readonly abort: AbortController;
  readonly timer: Timer | undefined;
  readonly look: Timer | undefined;
  plugin: { readonly value: unknown } | undefined;
};

/** How long the last write may take by itself, and again once it was told to come to an end. */
const WRITE_ENDS_MS = 500;

export function outputContext(
  { entry, stats, clock, log, stateDir }: Deps,
  signal: AbortSignal,
  batchAtHand: () => Batch | undefined,
): OutputContext {
  return {
    name: entry.name,
    clock,
    log,
    stateDir,
    signal,
    fenceAt: fencesOf(batchAtHand),
    sources: sourcesOf(batchAtHand),
    reportState(note) {
      stats.note = note;
    },
    reportLeftOut(packets) {
      stats.leftOut += packets;
    },
    reportThrottle(ms) {
      if (!noteThrottle(stats, ms, clock.now())) return;
      log.info("a quota of the server has us wait; nothing is lost by it", { ms });
    },
  };
}

export function openOutput({ entry, clock }: Deps, context: OutputContext): Promise<unknown> {
  const { name, plugin, config, timeoutMs } = entry;
  const open = () => plugin.open(context, config);
  const close = (late: unknown) => plugin.close?.(late);
  return openInTime({ clock, ms: timeoutMs, name, open, close });
}

/** Whether the sink of an output that is open refuses by itself whoever has lost its right. */
export function fencesItself({ plugin }: OutputEntry, opened: unknown): boolean {
  if (plugin.sinkFences !== undefined) return plugin.sinkFences;
  return typeof opened === "object" && (opened as SinkFences | null)?.sinkFences === true;
}

/** A write that ended under the next incarnation could overtake it, so it is waited for. */
export async function closeOutput(state: Open, lastWrite?: AbortSignal): Promise<void> {
  const { plugin, clock } = state;
  state.timer?.cancel();
  state.look?.cancel();
  state.plugin = undefined;
  state.stats.ready = false;
  if (lastWrite) await sleep(clock, WRITE_ENDS_MS, lastWrite);
  state.abort.abort();
  if (lastWrite) await sleep(clock, WRITE_ENDS_MS, lastWrite);
  if (plugin) await closeInTime(state, () => state.entry.plugin.close?.(plugin.value));
}
