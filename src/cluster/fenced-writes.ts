import type { ZkOperation, ZkResult, ZkSession } from "#src/clients/zookeeper/port.ts";
import { isZk, ZkError } from "#src/clients/zookeeper/zk-error.ts";
import { DbusError } from "#src/errors.ts";
import { assignPath, paths } from "./paths.ts";

/** Writes several nodes at once, if the writer still has its right. */
export type FencedWrite = (operations: readonly ZkOperation[]) => Promise<readonly ZkResult[]>;

/**
 * What a leader may write: only while no other has begun an epoch, and while its own node of the
 * election is there. A wrong version of the epoch is the proof that it has been replaced.
 * Throws STALE_EPOCH then.
 */
export function leaderWrite(
  session: ZkSession,
  epochVersion: number,
  election: string,
): FencedWrite {
  return fenced(session, "this leader was replaced", [
    { kind: "check", path: paths.leaderEpoch, version: epochVersion },
    { kind: "check", path: election, version: "exists" },
  ]);
}

/**
 * What the owner of a resource may write: only while its assignment is the one that it was given.
 * Throws STALE_EPOCH otherwise.
 */
export function ownerWrite(session: ZkSession, rid: string, fence: number): FencedWrite {
  return fenced(session, `the resource ${rid} was given to another`, [
    { kind: "check", path: assignPath(rid), version: fence },
  ]);
}

/** Counts in `of` what was sent and is not known to be done or refused. */
export function counted(of: { undecided: number }, write: FencedWrite): FencedWrite {
  return async (operations) => {
    of.undecided++;
    try {
      const results = await write(operations);
      of.undecided--;
      return results;
    } catch (thrown) {
      if (!(thrown instanceof ZkError && thrown.outcomeUnknown)) of.undecided--;
      throw thrown;
    }
  };
}

/** Fails with `node_exists` while there is a node: ZooKeeper has no check for that. */
export function unlessExists(path: string): readonly ZkOperation[] {
  return [
    { kind: "create", path, data: new Uint8Array(0) },
    { kind: "delete", path, version: 0 },
  ];
}

/** A fence that does not hold fails the whole write, and is told apart from what failed behind it. */
function fenced(
  session: ZkSession,
  lost: string,
  fences: readonly Extract<ZkOperation, { kind: "check" }>[],
): FencedWrite {
  return async (operations) => {
    // It must not wait for a connection: what was right when it was asked for may not be by then.
    if (session.state !== "connected") throw new ZkError("unreachable", "there is no connection");
    try {
      const results = await session.multi([...fences, ...operations]);
      return results.slice(fences.length);
    } catch (thrown) {
      const broken = isZk(thrown, "bad_version", "no_node") && (await isBroken(session, fences));
      if (!broken) throw thrown;
      throw new DbusError("STALE_EPOCH", lost, { cause: thrown });
    }
  };
}

/** Whether one of the fences does not hold: they only ever fall, so looking again is safe. */
async function isBroken(
  session: ZkSession,
  fences: readonly Extract<ZkOperation, { kind: "check" }>[],
): Promise<boolean> {
  try {
    await session.multi(fences);
    return false;
  } catch (thrown) {
    if (isZk(thrown, "bad_version", "no_node")) return true;
    throw thrown;
  }
}
