import type { ZkOperation, ZkSession } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { meant } from "#src/config/nearest.ts";
import { DbusError } from "#src/errors.ts";
import { type Census, takeCensus } from "../census.ts";
import { optional } from "../optional.ts";
import { memberPath, orderPath, participantPath, paths, wishPath } from "../paths.ts";
import { decode, encode, memberSchema, type OrderRecord, orderSchema } from "../records.ts";
import { ordered } from "../requests.ts";

/** Who orders, for the records, and when, by the wall clock. */
export type Orderer = { readonly by: string; readonly at: number };

/** Whether anything is another than before: an order may be given again. */
export type Ordered = { readonly changed: boolean };

/** Asks the leader for a decision now: no wish and no waiting counts any more. */
export async function requestRebalance(session: ZkSession, who: Orderer): Promise<Ordered> {
  return await settled(async () => {
    if ((await session.exists(paths.request)) !== null) return { changed: false };
    await session.create(paths.request, encode(who));
    return { changed: true };
  });
}

/**
 * Wants a resource to be with a participant, and to stay there; null takes the wish back. Throws
 * NOT_FOUND for who is not known, CLUSTER_REFUSED where it may not go.
 */
export async function migrate(
  session: ZkSession,
  { resource, to }: { readonly resource: string; readonly to: string | null },
  { by }: Orderer,
): Promise<Ordered & { readonly resource: string }> {
  return await settled(async () => {
    const census = await takeCensus(session);
    const rid = findResource(resource, census);
    const wish = census.wishes.get(rid);
    if (to !== null) refuseUnfit(rid, to, census);
    if ((wish?.record.to ?? null) === to) return { changed: false, resource: rid };
    const path = wishPath(rid);
    if (to === null) await session.delete(path, wish?.version ?? 0);
    else if (wish) await session.set(path, encode({ to, by }), wish.version);
    else await session.create(path, encode({ to, by }));
    return { changed: true, resource: rid };
  });
}

/** Says how decisions count a participant, over its restarts. Throws NOT_FOUND. */
export async function order(
  session: ZkSession,
  pid: string,
  wanted: { readonly drain?: boolean; readonly weight?: number | null },
  { by, at }: Orderer,
): Promise<Ordered> {
  return await settled(async () => {
    await requireMember(session, pid);
    const path = orderPath(pid);
    const found = await optional(session, path, (data) => decode(orderSchema, data, path));
    const before = found?.record ?? { drain: false, weight: null };
    const drain = wanted.drain ?? before.drain;
    const weight = wanted.weight === undefined ? before.weight : wanted.weight;
    if (drain === before.drain && weight === before.weight) return { changed: false };
    const data = encode({ drain, weight, by, at } satisfies OrderRecord);
    if (!drain && weight === null) await session.delete(path, found?.version ?? 0);
    else if (found) await session.set(path, data, found.version);
    else await session.create(path, data);
    return { changed: true };
  });
}

/**
 * Takes a member off the list that is gone for good: nobody waits for what it says any more when
 * ZooKeeper is lost. Throws NOT_FOUND, and CLUSTER_REFUSED while it is alive.
 */
export async function forget(session: ZkSession, pid: string): Promise<Ordered> {
  return await settled(async () => {
    const member = await requireMember(session, pid);
    const live = participantPath(pid);
    const refused = new DbusError("CLUSTER_REFUSED", `${pid} is alive`, {
      remedy: "stop it first; what it reads moves to others by itself",
    });
    if ((await session.exists(live)) !== null) throw refused;
    const given = await session.exists(orderPath(pid));
    const operations: ZkOperation[] = [
      // Made and deleted at one moment: it fails when the participant has come back meanwhile.
      { kind: "create", path: live, data: new Uint8Array(0) },
      { kind: "delete", path: live, version: 0 },
      { kind: "delete", path: memberPath(pid), version: member },
    ];
    if (given) operations.push({ kind: "delete", path: orderPath(pid), version: given.version });
    await session.multi(operations);
    return { changed: true };
  });
}

/** The version of a member's node. */
async function requireMember(session: ZkSession, pid: string): Promise<number> {
  await session.sync(paths.members);
  const { names } = await session.children(paths.members);
  if (names.includes(pid)) {
    const path = memberPath(pid);
    const found = await optional(session, path, (data) => decode(memberSchema, data, path));
    if (found) return found.version;
  }
  const remedy = meant(pid, names.toSorted(), "participants");
  throw new DbusError("NOT_FOUND", `no participant is called ${pid}`, { remedy });
}

/** By its id, or by its input where that has one resource, or as `input/resource`. */
function findResource(text: string, { resources }: Pick<Census, "resources">): string {
  const exact = resources.find(({ rid }) => rid === text);
  if (exact) return exact.rid;
  const named = resources.filter(({ record: { input, resource } }) => {
    return input === text || `${input}/${resource}` === text;
  });
  if (named.length === 1) return named[0]?.rid ?? "";
  if (named.length > 1) {
    const remedy = `name one: ${named.map(({ rid }) => rid).join(", ")}`;
    throw new DbusError("NOT_FOUND", `${text} is ${named.length} resources`, { remedy });
  }
  const names = resources.flatMap(({ rid, record }) => [record.input, rid]);
  const remedy = meant(text, [...new Set(names)].slice(0, 200), "resources");
  throw new DbusError("NOT_FOUND", `no resource is called ${text}`, { remedy });
}

function refuseUnfit(rid: string, to: string, census: Census): void {
  const record = census.participants.get(to);
  const refuse = (what: string, remedy: string) =>
    new DbusError("CLUSTER_REFUSED", `${rid} cannot go to ${to}: ${what}`, { remedy });
  if (!record) {
    const live = [...census.participants.keys()].sort();
    throw new DbusError("NOT_FOUND", `no live participant is called ${to}`, {
      remedy: meant(to, live, "live participants"),
    });
  }
  const { draining, weight, tags, tenants } = ordered(to, record, census.orders);
  if (draining) throw refuse("it drains", `dbc undrain ${to} first`);
  if (weight === 0) throw refuse("its weight is 0", `dbc weight ${to} 1 first`);
  const wanted = census.resources.find((one) => one.rid === rid)?.record;
  const missing = wanted?.tags.filter((tag) => !tags.includes(tag)) ?? [];
  if (missing.length > 0) {
    throw refuse(`it lacks the tags ${missing.join(", ")}`, "choose one that has them");
  }
  const tenant = wanted?.tenant ?? undefined;
  if (tenant !== undefined && tenants.length > 0 && !tenants.includes(tenant)) {
    throw refuse(`it does not read for ${tenant}`, "choose one that does");
  }
}

const triesMax = 5;

/** Once more when somebody else wrote in between, or the answer was lost: it looks before it writes. */
async function settled<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (thrown) {
      const again = isZk(thrown, "lost", "bad_version", "node_exists", "no_node");
      if (!again || tries >= triesMax) throw thrown;
    }
  }
}
