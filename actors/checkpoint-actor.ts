import { defineActor, type Ref, type Reply, type Self } from "#src/actor/actor.ts";
import type { CheckpointStore, Commit } from "#src/checkpoint/store.ts";
import { type DbusError, toDbusError } from "#src/errors.ts";
import type { PartitionSet } from "#src/flow/partition-set.ts";
import type { Position } from "#src/flow/position.ts";
import type { Log } from "#src/log.ts";
import type { CheckpointMessage, InputMessage } from "./protocol.ts";

export type CheckpointSource = {
  readonly partitions: PartitionSet;
  readonly input: Ref<InputMessage>;
};

export type CheckpointDeps = {
  /** What there is to commit now. */
  readonly sources: () => readonly CheckpointSource[];
  readonly store: CheckpointStore;
  readonly epoch: number;
  readonly intervalMs: number;
  readonly log: Log;
  /** Told when the commit at the end failed: what it held is read again at the next start. */
  readonly onUncommitted: (error: DbusError) => void;
};

type Pending = {
  readonly source: CheckpointSource;
  readonly name: string;
  readonly position: Position;
};

type State = CheckpointDeps & { committing: boolean; replies: Reply<void>[]; failing: boolean };

/**
 * Commits the watermarks of all partitions, together and one commit at a time, under the epoch of
 * this start. A commit that fails is tried again with whatever is newest by then.
 */
export const checkpointActor = defineActor<CheckpointDeps, State, CheckpointMessage>({
  name: "checkpoint",
  init(deps, self) {
    self.after(deps.intervalMs, { kind: "tick" });
    return { ...deps, committing: false, replies: [], failing: false };
  },
  receive(state, message, self) {
    switch (message.kind) {
      case "tick":
        self.after(state.intervalMs, { kind: "tick" });
        commitSoon(state, self);
        return undefined;
      case "commit":
        state.replies.push(message.reply);
        commitSoon(state, self);
        return undefined;
      case "committed":
        committed(state, message.error);
        return undefined;
    }
  },
  async stop(state) {
    await commitAll(state).catch((thrown) => {
      const error = toDbusError(thrown);
      state.log.error("the last checkpoint could not be committed", { error });
      state.onUncommitted(error);
    });
  },
});

function commitSoon(state: State, self: Self<CheckpointMessage>): void {
  if (state.committing) return;
  state.committing = true;
  self.pipe(
    commitAll(state),
    () => ({ kind: "committed", error: undefined }),
    (error) => ({ kind: "committed", error: toDbusError(error) }),
  );
}

async function commitAll(state: State): Promise<void> {
  const pending = state
    .sources()
    .flatMap((source): Pending[] =>
      source.partitions.dirty().map(({ name, position }) => ({ source, name, position })),
    );
  if (pending.length === 0) return;
  const commits = pending.map(({ source, name, position }): Commit => {
    const text = JSON.stringify(position);
    return { ...source.partitions.key, partition: name, position: text, epoch: state.epoch };
  });
  try {
    await state.store.commit(commits);
  } catch (thrown) {
    const error = toDbusError(thrown);
    if (error.kind === "fence") {
      for (const { source } of pending) source.input.signal({ kind: "fenced", error });
    }
    throw error;
  }
  for (const { source, name, position } of pending) source.partitions.committed(name, position);
}

function committed(state: State, error: DbusError | undefined): void {
  state.committing = false;
  if (error && !state.failing) {
    state.log.error("checkpoints cannot be committed; trying again", { error });
  }
  if (!error && state.failing) state.log.info("checkpoints are committed again");
  state.failing = error !== undefined;
  const { replies } = state;
  state.replies = [];
  for (const reply of replies) {
    if (error) reply.reject(error);
    else reply.resolve();
  }
}
