import { createProtected } from "#src/clients/zookeeper/create-protected.ts";
import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { type Clock, sleep } from "#src/clock.ts";
import { again } from "./again.ts";
import { readDecision } from "./decision.ts";
import { readEpoch } from "./epoch.ts";
import { type FencedWrite, leaderWrite } from "./fenced-writes.ts";
import type { EpochMemory, Identity } from "./identity.ts";
import { paths } from "./paths.ts";
import { decode, encode, epochSchema, leaderSchema } from "./records.ts";

/** The right to decide, for one epoch. */
export type Leadership = { readonly epoch: number; readonly write: FencedWrite };

export type Candidacy = {
  readonly session: ZkSession;
  readonly self: Identity;
  readonly clock: Clock;
  readonly random: () => number;
  readonly memory: EpochMemory;
  /** Leads until the promise ends: by itself when the right is lost, soon after `signal` aborts. */
  readonly lead: (leadership: Leadership, signal: AbortSignal) => Promise<void>;
};

/**
 * Stands for election until `signal` aborts or the session ends, again and again. Whoever has the
 * lowest node leads once it has raised the epoch, which nobody else can do at the same version.
 * Everybody else watches the node before its own only. Throws what a session ends with, and
 * CLUSTER_EPOCH_REGRESSION.
 */
export async function standForElection(candidacy: Candidacy, signal: AbortSignal): Promise<void> {
  const { session, self, clock, random } = candidacy;
  for (let round = 0; !signal.aborted; round++) {
    const guid = `${self.inc}-${round}`;
    const data = encode({ pid: self.pid, inc: self.inc });
    const node = { parent: paths.election, guid, data, mode: "ephemeral_sequential" as const };
    const own = await again(clock, () => createProtected(session, node));
    await again(clock, () => waitForTurn(session, own, signal));
    const leadership = signal.aborted ? undefined : await again(clock, () => begin(candidacy, own));
    if (leadership) await candidacy.lead(leadership, signal);
    if (signal.aborted) return;
    await again(clock, () => withdraw(session, own));
    // Who gave up goes to the end of the line, and others have the time to come before.
    await sleep(clock, 50 + random() * 200, signal);
  }
}

/** Resolves when no node is before ours, or ours is gone, or `signal` aborts. */
async function waitForTurn(session: ZkSession, own: string, signal: AbortSignal): Promise<void> {
  const name = own.slice(paths.election.length + 1);
  while (!signal.aborted) {
    const { names } = await session.children(paths.election);
    const line = names.toSorted((a, b) => numberOf(a) - numberOf(b));
    const place = line.indexOf(name);
    if (place <= 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = await session.exists(`${paths.election}/${line[place - 1]}`, () => resolve());
    if (before === null) continue;
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
  }
}

/** The number that ZooKeeper gives to a sequential node. */
function numberOf(name: string): number {
  return Number(name.slice(-10));
}

/** Raises the epoch; undefined when somebody else did, or the outcome was not for us. */
async function begin(
  { session, self, memory }: Candidacy,
  own: string,
): Promise<Leadership | undefined> {
  await session.sync(paths.leaderEpoch);
  // What others decided under a greater one is known also to who has not been there.
  memory.raise((await readDecision(session))?.epoch ?? 0);
  // An error here is an error, and never an epoch of 0.
  const { epoch: last, version } = await readEpoch(session, memory);
  const epoch = last + 1;
  const { pid, inc, rpc } = self;
  try {
    await session.multi([
      { kind: "check", path: own, version: "exists" },
      { kind: "set", path: paths.leaderEpoch, data: encode({ epoch }), version },
      {
        kind: "create",
        path: paths.leader,
        data: encode({ pid, inc, epoch, rpc }),
        mode: "ephemeral",
      },
    ]);
  } catch (thrown) {
    if (!isZk(thrown, "lost", "bad_version", "node_exists", "no_node")) throw thrown;
    if (!(await isOurs(session, self, epoch))) {
      await leaderGone(session);
      return undefined;
    }
  }
  const { stat: now, data: raised } = await session.get(paths.leaderEpoch);
  if (decode(epochSchema, raised, paths.leaderEpoch).epoch !== epoch) return undefined;
  memory.raise(epoch);
  return { epoch, write: leaderWrite(session, now.version, own) };
}

/** Whether the write whose answer was lost was done: epoch and leader are as we would have made them. */
async function isOurs(session: ZkSession, self: Identity, epoch: number): Promise<boolean> {
  await session.sync(paths.leaderEpoch);
  const { data } = await session.get(paths.leaderEpoch);
  if (decode(epochSchema, data, paths.leaderEpoch).epoch !== epoch) return false;
  try {
    const { data: text } = await session.get(paths.leader);
    const leader = decode(leaderSchema, text, paths.leader);
    return leader.inc === self.inc && leader.epoch === epoch;
  } catch (thrown) {
    if (isZk(thrown, "no_node")) return false;
    throw thrown;
  }
}

/** Waits until the leader's node of an older session, perhaps our own, has gone. */
async function leaderGone(session: ZkSession): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const there = await session.exists(paths.leader, () => resolve());
  if (there === null) return;
  // One of this very session can only be a stray of ours.
  if (there.ephemeralOwner === session.id) await remove(session, paths.leader);
  else await promise;
}

/** Steps down: the nodes are ephemeral, so this only makes it sooner. */
async function withdraw(session: ZkSession, own: string): Promise<void> {
  const leader = await session.exists(paths.leader);
  if (leader?.ephemeralOwner === session.id) await remove(session, paths.leader);
  await remove(session, own);
}

async function remove(session: ZkSession, path: string): Promise<void> {
  await session.delete(path, 0).catch((thrown: unknown) => {
    if (!isZk(thrown, "no_node")) throw thrown;
  });
}
