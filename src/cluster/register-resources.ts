import type { ZkOperation, ZkSession } from "#src/clients/zookeeper/port.ts";
import { DbusError } from "#src/errors.ts";
import type { Census } from "./census.ts";
import type { FencedWrite } from "./fenced-writes.ts";
import { assignPath, paths, resourcePath } from "./paths.ts";
import { type AssignRecord, encode, type ResourceRecord } from "./records.ts";

const nobody: AssignRecord = { owner: null, inc: null, gen: 0, epoch: 0, prev: null };

/**
 * Gives every resource of the configuration a node, if it has none yet: an id of its own, that is
 * never used again and says nothing of an address or a password. Answers how many were new. Both
 * nodes of a resource come at once, so none is ever seen by half.
 */
export async function registerResources(
  session: ZkSession,
  census: Pick<Census, "resources">,
  wanted: readonly ResourceRecord[],
  write: FencedWrite,
  newId: () => string,
): Promise<number> {
  const known = new Set(census.resources.map(({ record }) => resourceKey(record)));
  const missing = wanted.filter((record) => !known.has(resourceKey(record)));
  if (missing.length > 0) await refuseHalves(session, census);
  for (let at = 0; at < missing.length; at += pairsMax) {
    const operations = missing.slice(at, at + pairsMax).flatMap((record): ZkOperation[] => {
      const rid = `${slug(record)}-${newId()}`;
      return [
        { kind: "create", path: resourcePath(rid), data: encode(record) },
        { kind: "create", path: assignPath(rid), data: encode(nobody) },
      ];
    });
    await write(operations);
  }
  return missing.length;
}

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

const pairsMax = 50;

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
