import type { Clock } from "../clock.ts";
import { DbusError } from "../errors.ts";
import { checkPosition, keyName } from "./position-text.ts";
import type { Checkpoint, CheckpointKey, CheckpointOwner, CheckpointStore } from "./store.ts";

/** A resource that a cluster has given to this process, under the fence of its assignment. */
export type OwnedCheckpoints = { readonly rid: string; readonly fence: number };

/** Where a resource was read up to by whoever had it before. */
export type FormerCheckpoint = {
  readonly positions: Readonly<Record<string, string>>;
  readonly at: number;
};

/**
 * Checkpoints of a participant: those of shared resources are the cluster's, and only their owner
 * knows them; those of inputs that every participant has for itself are in its own state.
 */
export type ClusterCheckpoints = CheckpointStore & {
  /** The resource is ours: reading goes on from there. */
  adopt(owner: CheckpointOwner, owned: OwnedCheckpoints, former: FormerCheckpoint | null): void;
  /** The last watermarks of a resource that is given back, for the cluster to commit. */
  leave(owner: CheckpointOwner, marks: readonly { name: string; position: unknown }[]): void;
  /** What the cluster is to commit, by partition; null forgets one. */
  positions(rid: string): Readonly<Record<string, string | null>>;
  /** The resource is another's: nothing of it is committed any more. */
  drop(owner: CheckpointOwner): void;
};

export type ClusterCheckpointsOptions = {
  readonly local: CheckpointStore;
  readonly clock: Clock;
  /** Whether the cluster says who reads it. */
  readonly isShared: (owner: CheckpointOwner) => boolean;
  /** Commits the `positions` of a resource, durable when it resolves. */
  readonly commit: (rid: string) => Promise<void>;
};

type Held = OwnedCheckpoints & {
  readonly positions: Map<string, string | null>;
  at: number;
  /** False once it was given back: then only the cluster asks for the positions. */
  ours: boolean;
};

export function createClusterCheckpoints(options: ClusterCheckpointsOptions): ClusterCheckpoints {
  const { local, clock, isShared } = options;
  const held = new Map<string, Held>();
  const idOf = ({ input, resource }: CheckpointOwner) => JSON.stringify([input, resource]);

  function ours(owner: CheckpointOwner): Held | undefined {
    const found = held.get(idOf(owner));
    return found?.ours ? found : undefined;
  }

  function rowsOf(id: string, { positions, fence, at }: Held): Checkpoint[] {
    const [input, resource] = JSON.parse(id) as [string, string];
    return [...positions].flatMap(([partition, position]) =>
      position === null
        ? []
        : [{ input, resource, partition, position, epoch: fence, committedAt: at }],
    );
  }

  /** Notes what is to be committed; answers whose resource it is. */
  function note(key: CheckpointKey, position: string | null): Held {
    const found = ours(key);
    if (!found) throw new DbusError("STALE_EPOCH", `${keyName(key)} is not ours to commit`);
    found.positions.set(key.partition, position);
    return found;
  }

  async function commitAll(some: ReadonlySet<Held>): Promise<void> {
    await Promise.all([...some].map(({ rid }) => options.commit(rid)));
    for (const one of some) one.at = clock.wall();
  }

  return {
    async get(key) {
      if (!isShared(key)) return await local.get(key);
      const found = ours(key);
      const rows = found ? rowsOf(idOf(key), found) : [];
      return rows.find(({ partition }) => partition === key.partition) ?? null;
    },
    async list(of) {
      if (of && !isShared(of)) return await local.list(of);
      const own = [...held].filter(([id, one]) => one.ours && (!of || id === idOf(of)));
      const shared = own.flatMap(([id, one]) => rowsOf(id, one));
      if (of) return shared;
      return [...(await local.list()).filter((one) => !isShared(one)), ...shared];
    },
    async commit(commits) {
      for (const commit of commits) checkPosition(commit);
      const own = commits.filter((commit) => !isShared(commit));
      if (own.length > 0) await local.commit(own);
      const shared = commits.filter((commit) => isShared(commit));
      await commitAll(new Set(shared.map((commit) => note(commit, commit.position))));
    },
    async remove(key) {
      if (!isShared(key)) return await local.remove(key);
      await commitAll(new Set([note(key, null)]));
    },
    close: () => local.close(),
    adopt(owner, { rid, fence }, former) {
      const positions = new Map<string, string | null>(Object.entries(former?.positions ?? {}));
      held.set(idOf(owner), { rid, fence, positions, at: former?.at ?? 0, ours: true });
    },
    leave(owner, marks) {
      const found = held.get(idOf(owner));
      if (!found) return;
      for (const { name, position } of marks) found.positions.set(name, JSON.stringify(position));
      found.ours = false;
    },
    positions(rid) {
      const found = [...held.values()].find((one) => one.rid === rid);
      return Object.fromEntries(found?.positions ?? []);
    },
    drop: (owner) => void held.delete(idOf(owner)),
  };
}
