import type { CheckpointStore } from "#src/checkpoint/store.ts";
import type { Clock } from "#src/clock.ts";
import type { InputEntry } from "#src/config/config.ts";
import { deadLetter } from "#src/deadletter/letter.ts";
import type { DeadLetterStore } from "#src/deadletter/store.ts";
import type { Admission } from "#src/flow/admission.ts";
import { type InputStats, noteLag } from "#src/flow/node-stats.ts";
import type { PartitionSet } from "#src/flow/partition-set.ts";
import { noteThrottle } from "#src/flow/throttle.ts";
import type { GapStore } from "#src/gap/store.ts";
import type { Log } from "#src/log.ts";
import type { InputContext } from "#src/plugin/context.ts";
import type { Resource } from "#src/plugin/resource.ts";
import { resumePosition } from "./resume-position.ts";
import type { Tenure } from "./tenure.ts";

export type InputContextDeps = {
  readonly entry: InputEntry;
  readonly resource: Resource;
  /** The ledgers of this resource, which outlive the runs of the plugin. */
  readonly partitions: PartitionSet;
  readonly checkpoints: CheckpointStore;
  readonly tenure: Tenure;
  readonly gaps: GapStore;
  readonly deadLetters: DeadLetterStore;
  readonly stats: InputStats;
  readonly clock: Clock;
  readonly log: Log;
  readonly stateDir: string;
};

/** What the plugin is given for one run; nothing of it works once `signal` has aborted. */
export function inputContext(
  deps: InputContextDeps,
  admission: Admission,
  signal: AbortSignal,
): InputContext {
  const { entry, resource, partitions, stats, clock, log, stateDir, tenure } = deps;
  const admit = admission.begin(signal);
  /** Whoever waits for a sign that the resource can be read at all is told of the first one. */
  function alive(): void {
    tenure.onAlive?.();
    tenure.onAlive = undefined;
  }
  return {
    name: entry.name,
    ident: entry.ident,
    resource,
    readerId: tenure.readerId,
    clock,
    log,
    stateDir,
    signal,
    resume: (partition = "0") => resumePosition(entry, partitions, partition),
    emitBatch(packets, options) {
      if (tenure.onAlive) alive();
      return admit.batch(packets, options?.partition ?? "0");
    },
    emit(packet, options) {
      if (tenure.onAlive) alive();
      return admit.one(packet, options?.partition ?? "0");
    },
    deliver(packets, options) {
      if (tenure.onAlive) alive();
      return admit.deliver(packets, options?.partition ?? "0");
    },
    hasCredit: admission.hasCredit,
    room: admission.room,
    settled: (partition = "0") => partitions.settled(partition),
    drained: (ms, partition = "0") => partitions.drained(ms, partition),
    known: () => partitions.known(),
    async begin(positions) {
      admit.mustLive();
      await partitions.begin(deps.checkpoints, positions);
      // Meanwhile it may have been told to end, and what it would read be another's.
      admit.mustLive();
    },
    idle(position, options) {
      if (tenure.onAlive) alive();
      admit.idle(position, options?.partition ?? "0");
    },
    async gap({ from, to, reason }, options) {
      const { input, resource: id } = partitions.key;
      await partitions.forgotten(options?.partition ?? "0");
      deps.gaps.put({
        input,
        resource: id,
        partition: options?.partition ?? "0",
        from: JSON.stringify(from),
        to: JSON.stringify(to),
        reason,
      });
      log.error("a piece of the source was skipped; it is written down as a gap", {
        from,
        to,
        reason,
      });
    },
    deadLetter(packet, error, options) {
      const partition = partitions.get(options?.partition ?? "0");
      deps.deadLetters.put([deadLetter(entry.name, partition, packet, error)]);
      log.warn("what cannot be read was passed over; the dead letters say where it is", { error });
    },
    reportLag(lag) {
      if (tenure.onAlive && stats.note === null) alive();
      noteLag(stats, lag);
    },
    reportState(note) {
      if (note !== null && stats.note === null) stats.interruptions++;
      stats.note = note;
    },
    reportThrottle(ms) {
      if (!noteThrottle(stats, ms, clock.now())) return;
      log.info("a quota of the server has us wait; nothing is lost by it", { ms });
    },
  };
}
