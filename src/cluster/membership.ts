import type { ZkSession, ZkWatcher } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { DbusError } from "#src/errors.ts";
import type { Identity } from "./identity.ts";
import { optional } from "./owned-resource.ts";
import { memberPath, participantPath, paths } from "./paths.ts";
import {
  decode,
  encode,
  type MemberRecord,
  memberSchema,
  type ParticipantRecord,
} from "./records.ts";

/** Before anything can be given to us, everybody who looks knows that we are a member. */
export async function introduce(session: ZkSession, self: Identity): Promise<void> {
  const path = memberPath(self.pid);
  const found = await optional(session, path, (data) => decode(memberSchema, data, path));
  const data = encode({ rpc: self.rpc } satisfies MemberRecord);
  await unlessThere(async () => {
    if (found === null) await session.create(path, data);
    else if (found.record.rpc !== self.rpc) await session.set(path, data, found.version);
  });
}

/** Says that we are there, or on our way out. Throws CLUSTER_DUPLICATE_ID. */
export async function register(
  session: ZkSession,
  self: Identity,
  profile: Omit<ParticipantRecord, "inc" | "rpc" | "state">,
  state: ParticipantRecord["state"],
): Promise<void> {
  const path = participantPath(self.pid);
  const record: ParticipantRecord = { ...profile, inc: self.inc, rpc: self.rpc, state };
  const there = await session.exists(path);
  if (there === null) {
    await session.create(path, encode(record), { mode: "ephemeral" });
  } else if (there.ephemeralOwner === session.id) {
    await session.set(path, encode(record), there.version);
  } else {
    throw new DbusError("CLUSTER_DUPLICATE_ID", `another live process is ${self.pid}`);
  }
}

/**
 * Whom to ask when ZooKeeper is gone, with their addresses: everybody that has ever joined, alive
 * or not. One that is away now may be back, and own what we read, by the time at which we ask.
 */
export async function othersThan(
  session: ZkSession,
  pid: string,
  news: ZkWatcher,
): Promise<ReadonlyMap<string, string | null>> {
  const { names } = await session.children(paths.members, news);
  const others = new Map<string, string | null>();
  for (const name of names) {
    if (name === pid) continue;
    const path = memberPath(name);
    const found = await optional(session, path, (data) => decode(memberSchema, data, path));
    if (found) others.set(name, found.record.rpc);
  }
  return others;
}

/** A try whose answer was lost has done it, or an older process of the same name. */
async function unlessThere(work: () => Promise<void>): Promise<void> {
  await work().catch((thrown: unknown) => {
    if (!isZk(thrown, "bad_version", "node_exists")) throw thrown;
  });
}
