import { defineActor, type Self } from "#src/actor/actor.ts";
import type { Timer } from "#src/clock.ts";
import type { OutputEntry } from "#src/config/config.ts";
import { type DbusError, toDbusError } from "#src/errors.ts";
import { discard } from "#src/flow/delivery.ts";
import type { Edge } from "#src/flow/edge.ts";
import type { OutputStats } from "#src/flow/node-stats.ts";
import type { Log } from "#src/log.ts";
import type { SpillLog, SpillLoss, SpillStore } from "#src/spill/spill-log.ts";
import type { BufferMessage } from "./protocol.ts";
import { createSpillQueue, type SpillQueue } from "./spill-queue.ts";

export type BufferDeps = {
  readonly entry: OutputEntry;
  /** To the output. */
  readonly edge: Edge;
  readonly spills: SpillStore;
  readonly window: { readonly packets: number; readonly bytes: number };
  readonly nextLane: () => number;
  /** Tells the senders into this actor that it takes packets. */
  readonly attached: (incarnation: number) => void;
  readonly stats: OutputStats;
  readonly log: Log;
  /** Writes down what was lost, durably. */
  readonly lost: (loss: SpillLoss) => void;
  /** Called when nothing is left on the disk. */
  readonly onEmpty: () => void;
};

type State = BufferDeps & {
  /** Undefined until the log is open. */
  disk: { readonly log: SpillLog; readonly queue: SpillQueue } | undefined;
  /** Runs while a disk that could not be written to is left alone. */
  timer: Timer | undefined;
  /** Why it could not. */
  error: DbusError | undefined;
};

const AGAIN_MS = 1_000;

/** Stands before an output that has a buffer on disk: `spill-queue.ts` says what it does. */
export const bufferActor = defineActor<BufferDeps, State, BufferMessage>({
  name: "buffer",
  init(deps, self) {
    self.clearData();
    const { entry, lost } = deps;
    self.pipe(
      deps.spills.open(entry.name, { bytesMax: entry.buffer.bytesMax, onLoss: lost }),
      (log) => ({ kind: "opened", log }),
      (error) => ({ kind: "crashed", error }),
      // The next one waits until it is closed.
      (log) => void log.close().catch(() => {}),
    );
    return { ...deps, disk: undefined, timer: undefined, error: undefined };
  },
  receive(state, message, self) {
    const { disk, edge } = state;
    switch (message.kind) {
      case "deliver":
        if (message.incarnation !== self.incarnation) return undefined;
        if (message.partition.right.fenced) discard(message);
        else disk?.queue.add(message, self.clock.wall());
        break;
      case "settled":
        edge.settled(message);
        disk?.queue.settled(message);
        break;
      case "attached":
        edge.attached(message.incarnation);
        break;
      case "opened":
        opened(state, message.log, self);
        break;
      case "appended":
        disk?.queue.appended(message.error);
        if (message.error) later(state, message.error, self);
        else state.error = undefined;
        break;
      case "read": {
        const error = disk?.queue.read(message.record);
        if (!error) break;
        self.fail(error);
        return undefined;
      }
      case "again":
        state.timer = undefined;
        break;
      case "crashed":
        self.fail(message.error);
        return undefined;
      case "acked":
      case "emission":
      case "hurry":
        break;
    }
    goOn(state);
    return undefined;
  },
  stop: (state) => close(state),
  abandon(state) {
    void close(state).catch(() => {});
  },
});

async function close(state: State): Promise<void> {
  state.timer?.cancel();
  const { disk } = state;
  state.disk = undefined;
  await disk?.log.close();
}

function opened(state: State, log: SpillLog, self: Self<BufferMessage>): void {
  const { edge, window, nextLane, lost, entry } = state;
  const queue = createSpillQueue({
    log,
    bytesMax: entry.buffer.bytesMax,
    edge,
    window,
    nextLane,
    lost,
    append: (work) =>
      self.pipe(
        work,
        (): BufferMessage => ({ kind: "appended", error: undefined }),
        (error) => ({ kind: "appended", error: toDbusError(error) }),
      ),
    read: () =>
      self.pipe(
        log.read(),
        (record): BufferMessage => ({ kind: "read", record }),
        (error) => ({ kind: "crashed", error }),
      ),
    // What is acked in memory counts; when its files cannot go yet they do with a later ack.
    ack: (number) =>
      self.pipe(
        log.ack(number),
        (): BufferMessage => ({ kind: "acked" }),
        () => ({ kind: "acked" }),
      ),
  });
  state.disk = { log, queue };
  state.attached(self.incarnation);
}

/** Does whatever can be done now, and says how it stands. */
function goOn(state: State): void {
  const { disk, stats, error, timer } = state;
  if (!disk) return;
  const { log, queue } = disk;
  const was = queue.spilling;
  queue.pump(timer !== undefined);
  const note = error?.message ?? (queue.full ? "full: its inputs wait" : null);
  const { packets, bytes } = log;
  stats.buffer = { packets, bytes, note, oldestAt: queue.oldestAt };
  if (was && !queue.spilling) state.onEmpty();
}

/** The inputs wait until the disk can be written to. */
function later(state: State, error: DbusError, self: Self<BufferMessage>): void {
  if (!state.error) {
    state.log.warn("the buffer cannot be written; its inputs wait until it can", { error });
  }
  state.error = error;
  state.timer ??= self.after(AGAIN_MS, { kind: "again" });
}
