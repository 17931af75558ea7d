import type { CreateMode, CreateOptions, ZkSession } from "./port.ts";
import { isZk, ZkError } from "./zk-error.ts";

export type ProtectedCreate = {
  /** The folder that the node is made in. */
  readonly parent: string;
  /** Unlike that of anybody else, and the same for all tries of this one node. */
  readonly guid: string;
  readonly data: Uint8Array;
  readonly mode: Extract<CreateMode, "ephemeral_sequential" | "persistent_sequential">;
  readonly acl?: CreateOptions["acl"];
};

/**
 * Makes a sequential node `<guid>-n_<number>` exactly once, also when the answer is lost: then the
 * node is looked for by its GUID before another one is made ("Recoverable Errors and the GUID" of
 * ZooKeeper's recipes). Answers with its path. Rejects when the session ends, or with what
 * ZooKeeper refuses.
 */
export async function createProtected(
  session: ZkSession,
  { parent, guid, data, mode, acl }: ProtectedCreate,
): Promise<string> {
  const path = `${parent}/${guid}-n_`;
  let mayBeThere = false;
  for (;;) {
    try {
      if (mayBeThere) {
        const found = await findOwn(session, parent, guid);
        if (found !== undefined) return found;
      }
      return await session.create(path, data, { mode, ...(acl ? { acl } : {}) });
    } catch (thrown) {
      if (!isZk(thrown, "lost")) throw mayBeThere ? stillUnknown(thrown) : thrown;
      // A read that was lost says nothing of the create before it.
      mayBeThere ||= thrown.outcomeUnknown;
    }
  }
}

/** Nobody came to look whether the node is there. */
function stillUnknown(thrown: unknown): unknown {
  if (!isZk(thrown, "unreachable", "closed")) return thrown;
  return new ZkError(thrown.reason, thrown.message, true);
}

/** The first of our nodes; another of ours can only be a stray of an earlier try, and is removed. */
async function findOwn(
  session: ZkSession,
  parent: string,
  guid: string,
): Promise<string | undefined> {
  await session.sync(parent);
  const { names } = await session.children(parent);
  const own = names.filter((name) => name.startsWith(`${guid}-n_`)).sort();
  const [first, ...strays] = own;
  for (const stray of strays) {
    await session.delete(`${parent}/${stray}`, 0).catch((thrown: unknown) => {
      if (!isZk(thrown, "no_node")) throw thrown;
    });
  }
  return first === undefined ? undefined : `${parent}/${first}`;
}
