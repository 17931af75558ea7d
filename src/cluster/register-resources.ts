import type { ZkOperation, ZkSession } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { DbusError } from "#src/errors.ts";
import type { Census } from "./census.ts";
import type { FencedWrite } from "./fenced-writes.ts";
import { assignPath, paths, resourcePath, serverIdPath } from "./paths.ts";
import { type AssignRecord, encode, type ResourceRecord } from "./records.ts";

export type RegisterDeps = {
  readonly session: ZkSession;
  readonly census: Pick<Census, "resources">;
  readonly wanted: readonly ResourceRecord[];
  readonly write: FencedWrite;
  readonly newId: () => string;
  readonly random: () => number;
};

const nobody: AssignRecord = { owner: null, inc: null, gen: 0, epoch: 0, prev: null };

/**
 * Gives every resource of the configuration a node, if it has none yet: an id of its own, that is
 * never used again and says nothing of an address or a password, and a number that no other reader of
 * the cluster has. Answers how many were new. All nodes of a resource come at once, so none is ever
 * seen by half.
 */
export async function registerResources(deps: RegisterDeps): Promise<number> {
  const { session, census, wanted } = deps;
  const known = new Set(census.resources.map(({ record }) => resourceKey(record)));
  const missing = wanted.filter((record) => !known.has(resourceKey(record)));
  if (missing.length > 0) await refuseHalves(session, census);
  for (let at = 0; at < missing.length; at += partMax) {
    await registerPart(deps, missing.slice(at, at + partMax));
  }
  return missing.length;
}

/** With other numbers again where one of them is taken. */
async function registerPart(
  { write, newId, random }: RegisterDeps,
  part: readonly ResourceRecord[],
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const operations = part.flatMap((record): ZkOperation[] => {
      const rid = `${slug(record)}-${newId()}`;
      const readerId = readerIdMin + Math.floor(random() * (readerIdEnd - readerIdMin));
      return [
        { kind: "create", path: resourcePath(rid), data: encode({ ...record, readerId }) },
        { kind: "create", path: assignPath(rid), data: encode(nobody) },
        { kind: "create", path: serverIdPath(readerId), data: encode({ rid }) },
      ];
    });
    try {
      await write(operations);
      return;
    } catch (thrown) {
      if (!isZk(thrown, "node_exists") || tries >= triesMax) throw thrown;
    }
  }
}

/** Above the ids that people give to their servers, as readers outside of a cluster draw theirs. */
const readerIdMin = 2 ** 30;
const readerIdEnd = 2 ** 31;
const triesMax = 10;

/**
 * An assignment without its resource is what is left of one that somebody deleted. Its owner still
 * reads it, so another id would give it a second one. Throws CLUSTER_STATE_CORRUPT.
 */
async function refuseHalves(session: ZkSession, census: Pick<Census, "resources">): Promise<void> {
  const whole = new Set(census.resources.map(({ rid }) => rid));
  const { names } = await session.children(paths.assign);
  const [half, ...more] = names.filter((rid) => !whole.has(rid)).sort();
  if (half === undefined) return;
  const message = `${resourcePath(half)} and ${more.length} more are gone, their assignments not`;
  const remedy =
    "restore them from a backup, or stop all participants, delete the nodes below assign as well, " +
    "and start them again: reading begins anew then";
  throw new DbusError("CLUSTER_STATE_CORRUPT", message, { remedy });
}

/** What the configuration knows a resource by. */
export function resourceKey({
  input,
  resource,
}: Pick<ResourceRecord, "input" | "resource">): string {
  return JSON.stringify([input, resource]);
}

/** Three nodes each, in one write. */
const partMax = 33;

function slug({ input, resource }: ResourceRecord): string {
  const text = `${input}-${resource}`.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return text.slice(0, 40).replace(/^-+|-+$/g, "") || "resource";
}

/** Makes the nodes that everything stands below, whoever comes first. */
export async function prepareRoot(session: ZkSession, folders: readonly string[]): Promise<void> {
  for (const path of folders) {
    await createIfMissing(session, path, new Uint8Array(0));
  }
}

export async function createIfMissing(
  session: ZkSession,
  path: string,
  data: Uint8Array,
): Promise<void> {
  while ((await session.exists(path)) === null) {
    try {
      await session.create(path, data);
      return;
    } catch (thrown) {
      const { reason } = thrown as { reason?: string };
      if (reason !== "node_exists" && reason !== "lost") throw thrown;
    }
  }
}
