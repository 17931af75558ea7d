import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import type { FencedWrite } from "./fenced-writes.ts";
import type { LocalEntry } from "./local-log.ts";
import { optional } from "./optional.ts";
import type { OwnedDeps } from "./owned-deps.ts";
import { checkpointPath } from "./paths.ts";
import { type CheckpointRecord, checkpointSchema, decode, encode } from "./records.ts";

export type OwnedCheckpointDeps = Pick<
  OwnedDeps,
  "session" | "self" | "host" | "clock" | "owned" | "log" | "localLog" | "prev"
> & { readonly write: FencedWrite };

/** Up to where a resource was read, in ZooKeeper, and where that does not take it in the local log. */
export type OwnedCheckpoint = {
  /** As it stands in ZooKeeper; null before the first. */
  readonly record: CheckpointRecord | null;
  read(): Promise<void>;
  /**
   * Takes up what was settled and could not be told: only if nobody else has owned the resource
   * since, for then another may be further, or has gone another way.
   */
  takeUp(): Promise<void>;
  /** Writes where reading has come to, if that has moved. */
  commit(): Promise<void>;
  /** What is settled and saved nowhere, as it goes into the local log; from then on it is saved. */
  unsaved(): LocalEntry | null;
};

type Positions = CheckpointRecord["positions"];

export function createOwnedCheckpoint(deps: OwnedCheckpointDeps): OwnedCheckpoint {
  const { session, self, host, clock, owned, write } = deps;
  const { rid, fence } = owned;
  let checkpoint: { readonly record: CheckpointRecord; readonly version: number } | null = null;
  /** Of the newest checkpoint that was written, or tried, or logged. */
  let seq = 0;
  /** What the local log has of it; null when it has nothing that counts. */
  let logged: LocalEntry | null = null;

  async function readCheckpoint(): Promise<void> {
    await session.sync(checkpointPath(rid));
    checkpoint = await optional(session, checkpointPath(rid), (data) =>
      decode(checkpointSchema, data, checkpointPath(rid), "CHECKPOINT_CORRUPT"),
    );
  }

  /** Where reading has come to, with what stands for other partitions; null when it has not moved. */
  function movedFrom(before: Positions): Positions | null {
    const newest = Object.entries(host.positions(rid));
    if (newest.every(([name, at]) => (before[name] ?? null) === at)) return null;
    const all = new Map<string, string | null>(Object.entries(before));
    for (const [name, at] of newest) all.set(name, at);
    const known = [...all].flatMap(([name, at]) => (at === null ? [] : [[name, at] as const]));
    return Object.fromEntries(known);
  }

  async function commitOnce(): Promise<void> {
    const positions = movedFrom(checkpoint?.record.positions ?? {});
    if (positions === null) return;
    await writeCheckpoint(positions, clock.wall());
    forget();
  }

  /** The checkpoint is newer than what the log has. */
  function forget(): void {
    if (logged) deps.localLog.remove(rid);
    logged = null;
  }

  async function takeUp(): Promise<void> {
    const entry = deps.localLog.read(rid);
    if (!entry) return;
    const stored = checkpoint?.record.seq ?? 0;
    const mine = deps.prev?.pid === self.pid && deps.prev.fence === entry.fence;
    seq = Math.max(stored, mine ? entry.seq : 0);
    if (entry.seq > stored && mine) await writeCheckpoint(entry.positions, entry.at);
    else if (entry.seq > stored || !mine) {
      const ahead = { settled: entry.positions, checkpoint: checkpoint?.record.positions ?? null };
      const what = "what was settled here before another owned it does not count: it comes again";
      deps.log.warn(what, { resource: rid, ...ahead });
    }
    deps.localLog.remove(rid);
  }

  async function writeCheckpoint(positions: Positions, at: number): Promise<void> {
    const path = checkpointPath(rid);
    seq = Math.max(seq, checkpoint?.record.seq ?? 0) + 1;
    const record: CheckpointRecord = { positions, fence, seq, at };
    const version = checkpoint?.version;
    const data = encode(record);
    try {
      const [done] = await write([
        version === undefined
          ? { kind: "create", path, data }
          : { kind: "set", path, data, version },
      ]);
      checkpoint = { record, version: done?.kind === "set" ? done.stat.version : 0 };
    } catch (thrown) {
      if (isZk(thrown, "lost", "bad_version", "node_exists", "no_node")) await readCheckpoint();
      const now = checkpoint?.record;
      // The answer was lost, not the write: what stands there is ours to the last letter.
      if (now?.seq === record.seq && now.fence === fence) return;
      throw thrown;
    }
  }

  return {
    get record() {
      return checkpoint?.record ?? null;
    },
    read: readCheckpoint,
    takeUp,
    commit: commitOnce,
    unsaved() {
      const positions = movedFrom(logged?.positions ?? checkpoint?.record.positions ?? {});
      if (positions === null) return null;
      seq = Math.max(seq, checkpoint?.record.seq ?? 0) + 1;
      logged = { rid, fence, seq, positions, at: clock.wall() };
      return logged;
    },
  };
}
