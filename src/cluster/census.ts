import type { ZkSession, ZkWatcher } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { readDecision } from "./decision.ts";
import type { Observed } from "./observe.ts";
import { optional } from "./optional.ts";
import {
  assignPath,
  claimPath,
  orderPath,
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
  type OrderRecord,
  orderSchema,
  type ParticipantRecord,
  participantSchema,
  type RequestRecord,
  requestSchema,
  resourceSchema,
  statusSchema,
  type WishRecord,
  wishSchema,
} from "./records.ts";

/** All of the cluster, as it was read: not at one moment, so every write names what it relies on. */
export type Census = {
  readonly participants: ReadonlyMap<string, ParticipantRecord>;
  readonly resources: readonly Observed[];
  readonly decision: DecisionRecord | null;
  readonly decisionVersion: number | null;
  /** Where operators want resources, by resource. */
  readonly wishes: ReadonlyMap<string, Versioned<WishRecord>>;
  /** What operators said of participants, by participant. */
  readonly orders: ReadonlyMap<string, OrderRecord>;
  /** Somebody asks for a decision now. */
  readonly request: Versioned<RequestRecord> | null;
};

export type Versioned<T> = { readonly record: T; readonly version: number };

/** Reads all of it; `changed`, if any, is called once or more when some of it is another. */
export async function takeCensus(session: ZkSession, changed?: () => void): Promise<Census> {
  await session.sync(paths.decision);
  const decision = await readDecision(session, changed);
  const decisionVersion = (await session.exists(paths.decision))?.version ?? null;
  const pids = await namesIn(session, paths.participants, changed);
  const participants = await mapOf(pids, async (pid) => {
    const path = participantPath(pid);
    const read = (data: Uint8Array) => decode(participantSchema, data, path);
    return (await watched(session, path, changed, read))?.record;
  });
  const wished = await namesIn(session, paths.wishes, changed);
  const wishes = await mapOf(wished, (rid) => {
    const path = wishPath(rid);
    return watched(session, path, changed, (data) => decode(wishSchema, data, path));
  });
  const ordered = await namesIn(session, paths.orders, changed);
  const orders = await mapOf(ordered, async (pid) => {
    const path = orderPath(pid);
    const found = await watched(session, path, changed, (data) => decode(orderSchema, data, path));
    return found?.record;
  });
  const request = await watched(session, paths.request, changed, (data) =>
    decode(requestSchema, data, paths.request),
  );
  // Before what they tell of, so that a change in between is told of.
  await namesIn(session, paths.claim, changed);
  const rids = await namesIn(session, paths.resources, changed);
  const observed = await Promise.all(rids.map((rid) => observe(session, rid, changed)));
  const resources = observed.filter((one) => one !== undefined);
  const asked = { wishes, orders, request: request ?? null };
  return { participants, resources, decision, decisionVersion, ...asked };
}

async function observe(
  session: ZkSession,
  rid: string,
  changed: ZkWatcher | undefined,
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
  return { rid, record: found.record, assign: given, claim: claimed, status: said?.record ?? null };
}

async function namesIn(
  session: ZkSession,
  path: string,
  changed: ZkWatcher | undefined,
): Promise<readonly string[]> {
  return (await session.children(path, changed)).names.toSorted();
}

/** What a node holds, with a word when that changes or it comes; undefined while it is not there. */
async function watched<T>(
  session: ZkSession,
  path: string,
  changed: ZkWatcher | undefined,
  read: (data: Uint8Array) => T,
): Promise<Versioned<T> | undefined> {
  for (;;) {
    try {
      const { data, stat } = await session.get(path, changed);
      return { record: read(data), version: stat.version };
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
