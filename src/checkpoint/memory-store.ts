import { type Clock, systemClock } from "../clock.ts";
import { DbusError } from "../errors.ts";
import { checkPosition, keyName } from "./position-text.ts";
import type { Checkpoint, CheckpointStore } from "./store.ts";

/** Checkpoints that end with the process. */
export function createMemoryCheckpointStore(clock: Clock = systemClock): CheckpointStore {
  const rows = new Map<string, Checkpoint>();
  const idOf = ({
    input,
    resource,
    partition,
  }: Pick<Checkpoint, "input" | "resource" | "partition">) =>
    JSON.stringify([input, resource, partition]);
  return {
    async get(key) {
      return rows.get(idOf(key)) ?? null;
    },
    async list(of) {
      const all = [...rows.keys()].sort().map((id) => rows.get(id) as Checkpoint);
      return of ? all.filter((one) => one.input === of.input && one.resource === of.resource) : all;
    },
    async commit(commits) {
      for (const commit of commits) {
        checkPosition(commit);
        const stored = rows.get(idOf(commit));
        if (stored && stored.epoch > commit.epoch) {
          throw new DbusError("STALE_EPOCH", `${keyName(commit)} has epoch ${stored.epoch}`);
        }
      }
      const committedAt = clock.wall();
      for (const commit of commits) rows.set(idOf(commit), { ...commit, committedAt });
    },
    async remove(key) {
      rows.delete(idOf(key));
    },
    async close() {},
  };
}
