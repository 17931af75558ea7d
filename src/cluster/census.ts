import type { ZkSession, ZkWatcher } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { readDecision } from "./decision.ts";
import type { Observed } from "./observe.ts";
import { optional } from "./owned-resource.ts";
import {
  assignPath,
  claimPath,
  participantPath,
  paths,
  resourcePath,
  statusPath,
  wishPath,
} from "./paths.ts";
import {
  assignSchema,
  claimSchema,
  type DecisionRecord,
  decode,
  type ParticipantRecord,
  participantSchema,
  resourceSchema,
  statusSchema,
  wishSchema,
} from "./records.ts";

/** All of the cluster, as it was read: not at one moment, so every write names what it relies on. */
export type Census = {
  readonly participants: ReadonlyMap<string, ParticipantRecord>;
  readonly resources: readonly Observed[];
  readonly decision: DecisionRecord | null;
  readonly decisionVersion: number | null;
  /** Where operators want resources, by resource. */
  readonly wishes: ReadonlyMap<string, string>;
};

/** Reads all of it; `changed` is called once or more when some of it is another. */
export async function takeCensus(session: ZkSession, changed: () => void): Promise<Census> {
  await session.sync(paths.decision);
  const decision = await readDecision(session, changed);
  const decisionVersion = (await session.exists(paths.decision))?.version ?? null;
  const pids = await namesIn(session, paths.participants, changed);
  const participants = await mapOf(pids, (pid) => {
    const path = participantPath(pid);
    return watched(session, path, changed, (data) => decode(participantSchema, data, path));
  });
  const wished = await namesIn(session, paths.wishes, changed);
  const wishes = await mapOf(wished, async (rid) => {
    const path = wishPath(rid);
    return (await optional(session, path, (data) => decode(wishSchema, data, path)))?.record.to;
  });
  // Before what they tell of, so that a change in between is told of.
  await namesIn(session, paths.claim, changed);
  const rids = await namesIn(session, paths.resources, changed);
  const observed = await Promise.all(rids.map((rid) => observe(session, rid, changed)));
  const resources = observed.filter((one) => one !== undefined);
  return { participants, resources, decision, decisionVersion, wishes };
}

async function observe(
  session: ZkSession,
  rid: string,
  changed: () => void,
): Promise<Observed | undefined> {
  const resource = resourcePath(rid);
  const assign = assignPath(rid);
  const claim = claimPath(rid);
  const status = statusPath(rid);
  const [found, given, claimed, said] = await Promise.all([
    optional(session, resource, (data) => decode(resourceSchema, data, resource)),
    optional(session, assign, (data) => decode(assignSchema, data, assign)),
    optional(session, claim, (data) => decode(claimSchema, data, claim)),
    watched(session, status, changed, (data) => decode(statusSchema, data, status)),
  ]);
  if (!found || !given) return undefined;
  return { rid, record: found.record, assign: given, claim: claimed, status: said ?? null };
}

async function namesIn(
  session: ZkSession,
  path: string,
  changed: ZkWatcher,
): Promise<readonly string[]> {
  return (await session.children(path, changed)).names.toSorted();
}

/** What a node holds, with a word when that changes or it comes; undefined while it is not there. */
async function watched<T>(
  session: ZkSession,
  path: string,
  changed: ZkWatcher,
  read: (data: Uint8Array) => T,
): Promise<T | undefined> {
  for (;;) {
    try {
      return read((await session.get(path, changed)).data);
    } catch (thrown) {
      if (!isZk(thrown, "no_node")) throw thrown;
    }
    if ((await session.exists(path, changed)) === null) return undefined;
  }
}

async function mapOf<T>(
  names: readonly string[],
  read: (name: string) => Promise<T | undefined>,
): Promise<Map<string, T>> {
  const pairs = await Promise.all(names.map(async (name) => [name, await read(name)] as const));
  return new Map(pairs.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
