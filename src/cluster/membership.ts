import type { ZkSession, ZkWatcher } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { type Clock, sleep } from "#src/clock.ts";
import { DbusError } from "#src/errors.ts";
import type { Log } from "#src/log.ts";
import { again } from "./again.ts";
import type { Identity } from "./identity.ts";
import { optional } from "./optional.ts";
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
  const record: MemberRecord = { rpc: self.rpc, knows: found?.record.knows ?? [] };
  await unlessThere(async () => {
    if (found === null) await session.create(path, encode(record));
    else if (found.record.rpc !== self.rpc) await session.set(path, encode(record), found.version);
  });
}

/** Told of others; those of before stay among them until `written`. */
export type LearnOthers = (others: ReadonlyMap<string, string | null>, written: boolean) => void;

/**
 * Whom to ask when ZooKeeper is gone, with their addresses. It is written down too: so who does not
 * find itself there knows that it is not asked. Who does find itself there is asked, also when the
 * answer to that write was lost: it is told of before.
 */
export async function learnOthers(
  session: ZkSession,
  self: Identity,
  news: ZkWatcher,
  learn: LearnOthers,
): Promise<void> {
  const path = memberPath(self.pid);
  for (;;) {
    const others = await othersThan(session, self.pid, news);
    const own = await optional(session, path, (data) => decode(memberSchema, data, path));
    const knows = [...others.keys()].sort();
    const written = own !== null && knows.join() === own.record.knows.join();
    learn(others, written);
    if (written) return;
    await unlessThere(async () => {
      const data = encode({ rpc: self.rpc, knows } satisfies MemberRecord);
      if (own) await session.set(path, data, own.version);
      else await session.create(path, data);
    });
  }
}

export type KnownDeps = {
  readonly session: ZkSession;
  readonly pid: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether the process that was a member at this address has certainly ended. */
  readonly hasEnded: (rpc: string) => Promise<boolean>;
};

/**
 * Those who may go on without ZooKeeper and would not ask us: while there are any, we must not
 * decide over what they may be reading. Once there are none there never will be.
 */
async function unawareOf({ session, pid, hasEnded }: KnownDeps): Promise<readonly string[]> {
  const { names } = await session.children(paths.members);
  const unaware: string[] = [];
  for (const name of names) {
    const path = memberPath(name);
    const found = await optional(session, path, (data) => decode(memberSchema, data, path));
    const { knows = [], rpc = null } = found?.record ?? {};
    // Who knows of nobody does not go on.
    if (name === pid || knows.length === 0 || knows.includes(pid)) continue;
    if (rpc === null || !(await hasEnded(rpc))) unaware.push(name);
  }
  return unaware;
}

/** Resolves when everybody asks us before going on without ZooKeeper; until then others lead. */
export async function untilKnown(deps: KnownDeps, signal: AbortSignal): Promise<void> {
  const { clock, log } = deps;
  let told = false;
  for (let pauseMs = 50; !signal.aborted; pauseMs = Math.min(2_000, 2 * pauseMs)) {
    const unaware = await again(clock, () => unawareOf(deps));
    if (unaware.length === 0) return;
    if (pauseMs === 2_000 && !told) {
      log.warn("cannot lead before these are back, or were told to be forgotten", { unaware });
      told = true;
    }
    await sleep(clock, pauseMs, signal);
  }
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
 * Everybody that has ever joined, alive or not: one that is away now may be back, and own what we
 * read, by the time at which we ask.
 */
async function othersThan(
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
