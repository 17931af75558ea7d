import { backoffDelay } from "#src/actor/backoff.ts";
import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { ZkError } from "#src/clients/zookeeper/zk-error.ts";
import { sleep } from "#src/clock.ts";
import { DbusError, toDbusError } from "#src/errors.ts";
import { again } from "./again.ts";
import { createPromises, keepAgreeing, memoryOfPromise } from "./agreement.ts";
import { type Leadership, standForElection } from "./election.ts";
import { readEpoch } from "./epoch.ts";
import { counted } from "./fenced-writes.ts";
import type { Identity } from "./identity.ts";
import { lead } from "./leader.ts";
import { leaseOf } from "./lease.ts";
import { giveBack } from "./leaving.ts";
import { noLocalLog } from "./local-log.ts";
import { untilKnown } from "./membership.ts";
import { createMonitor } from "./monitor.ts";
import type { ClusterNode, NodeDeps } from "./node-port.ts";
import { createParticipant } from "./participant.ts";
import type { Participant } from "./participant-port.ts";
import { paths } from "./paths.ts";
import { requireProtocol } from "./protocol.ts";
import { prepareRoot } from "./register-resources.ts";
import { tellConnection } from "./tell-connection.ts";
import { createWanted } from "./wanted.ts";

type Membership = {
  readonly session: ZkSession;
  readonly participant: Participant;
  readonly others: () => ReadonlyMap<string, string | null>;
  readonly abort: AbortController;
  joined: boolean;
  epoch: number | null;
  /** Decisions that went out over this connection, and whose outcome is not known. */
  undecided: number;
};

const folders = [
  ...[paths.election, paths.members, paths.participants, paths.resources, paths.assign],
  ...[paths.claim, paths.checkpoint, paths.status, paths.wishes, paths.orders, paths.history],
  paths.serverIds,
];

/** What needs a person is tried again seldom. */
const fatalBackoff = { minMs: 5_000, maxMs: 60_000, randomFactor: 0.2 };

export function startClusterNode(deps: NodeDeps): ClusterNode {
  const { clock, random, log, settings, memory } = deps;
  const monitor = createMonitor(clock, settings);
  const promises = createPromises(clock, settings.promiseMs, deps.promised ?? memoryOfPromise());
  const ended = Promise.withResolvers<DbusError | undefined>();
  /** It gives back what it has, and promises nothing more; then it is stopping. */
  let leaving = false;
  const stopping = new AbortController();
  let membership: Membership | undefined;
  /** Until when everybody has agreed that nobody has ZooKeeper, on our clock. */
  let agreedUntil = Number.NEGATIVE_INFINITY;
  const wanted = createWanted(deps.resources);
  let trouble: DbusError | null = null;

  void run().then(ended.resolve, (thrown) => ended.resolve(toDbusError(thrown)));

  /** What keeps a leader from deciding; said once, however often it is tried. */
  function report(error: DbusError | null): void {
    if (error && error.message !== trouble?.message) log.error("no decision is made", { error });
    trouble = error;
  }

  /** One session after the other, until it is stopped. */
  async function run(): Promise<undefined> {
    let fatals = 0;
    while (!stopping.signal.aborted) {
      const session = deps.openSession();
      let waitMs = 50 + random() * 200;
      try {
        await during(session);
        fatals = 0;
      } catch (thrown) {
        const error = toDbusError(thrown);
        trouble = error;
        // Only another build mends it, so whoever starts services is to know.
        if (error.code === "CLUSTER_PROTOCOL") throw error;
        if (error.kind === "fatal") {
          // A person has to mend it: what needs no cluster goes on meanwhile, and it is found then.
          waitMs = backoffDelay(fatalBackoff, fatals++, random);
          log.error("takes no part in the cluster until that is mended", { error });
        } else log.warn("a membership of the cluster ended", { error });
      }
      membership?.participant.fence();
      membership = undefined;
      await session.close(stopping.signal.aborted ? 1_000 : 0);
      if (!stopping.signal.aborted) await sleep(clock, waitMs, stopping.signal);
    }
    return undefined;
  }

  async function during(session: ZkSession): Promise<void> {
    const abort = new AbortController();
    tellConnection(session, { clock, log }, abort.signal);
    const over = Promise.withResolvers<void>();
    const halt = (error: DbusError) => {
      // Within this turn: nothing of the old session may act once its end is known.
      membership?.participant.fence();
      abort.abort();
      over.reject(error);
    };
    const off = session.onState((state) => {
      if (state === "suspended") whileSuspended(abort.signal);
      if (state === "connected" && membership) {
        membership.undecided = 0;
        membership.participant.resumeAll();
      }
      if (state === "denied") halt(new ZkError("auth_failed", "it refuses our credentials"));
      if (state !== "expired" && state !== "closed") return;
      membership?.participant.fence();
      abort.abort();
      over.resolve();
    });
    // Also while there is no membership yet, or no longer.
    const leaveNow = () => over.resolve();
    stopping.signal.addEventListener("abort", leaveNow, { once: true });
    try {
      await Promise.race([live(session, abort, halt), over.promise]);
    } finally {
      off();
      stopping.signal.removeEventListener("abort", leaveNow);
      abort.abort();
    }
  }

  async function live(
    session: ZkSession,
    abort: AbortController,
    halt: (error: DbusError) => void,
  ): Promise<void> {
    await deps.beforeJoin?.(abort.signal);
    await again(clock, () => requireProtocol(session, deps.profile.proto));
    await again(clock, () => prepareRoot(session, folders));
    await again(clock, () => session.sync(paths.leaderEpoch));
    await again(clock, () => readEpoch(session, memory));
    const self: Identity = { pid: deps.pid, inc: deps.newId(), rpc: deps.rpc };
    let others: ReadonlyMap<string, string | null> = new Map();
    const participant = createParticipant({
      ...{ session, self, clock, random, log, memory, settings, halt },
      localLog: deps.localLog ?? noLocalLog,
      ...{ profile: deps.profile, host: deps.host, boundMs: () => promises.leftMs },
      learnOthers: (known, written) => {
        others = written ? known : new Map([...others, ...known]);
      },
    });
    const none = { joined: false, epoch: null, undecided: 0 };
    membership = { session, participant, others: () => others, abort, ...none };
    const own = membership;
    await joined(session, participant);
    own.joined = true;
    trouble = null;
    watchLease(session, abort.signal);
    await untilKnown({ ...deps, session }, abort.signal);
    const candidate = {
      ...{ session, self, clock, random, memory },
      lead: async (leadership: Leadership, signal: AbortSignal) => {
        own.epoch = leadership.epoch;
        try {
          const { ring, newId } = deps;
          const boundMs = () => promises.leftMs;
          const leading = { session, self, clock, random, log, settings, ring, boundMs };
          const write = counted(own, leadership.write);
          await lead(
            { ...leading, ...wanted, monitor, newId, report },
            { epoch: leadership.epoch, write },
            signal,
          );
        } finally {
          monitor.ended();
          own.epoch = null;
        }
      },
    };
    await standForElection(candidate, abort.signal);
  }

  /** An older session of this very process may still hold the name. */
  async function joined(session: ZkSession, participant: Participant): Promise<void> {
    const until = clock.now() + 2 * session.timeoutMs;
    for (;;) {
      try {
        await again(clock, () => participant.join());
        return;
      } catch (thrown) {
        const error = toDbusError(thrown);
        if (error.code !== "CLUSTER_DUPLICATE_ID" || clock.now() >= until) throw error;
      }
      await sleep(clock, Math.max(50, Math.min(1_000, session.timeoutMs / 20)));
    }
  }

  /** Looks at the lease while there is a session, and pauses what may not go on when it ends. */
  function watchLease(session: ZkSession, signal: AbortSignal): void {
    // A coordinator within this process cannot be lost.
    if (!Number.isFinite(session.timeoutMs)) return;
    const lease = leaseOf(session, clock);
    let paused = false;
    const tick = () => {
      if (signal.aborted) return;
      const may = mayEmit();
      if (paused && may) membership?.participant.resumeAll();
      if (!paused && !may) membership?.participant.pauseAll();
      paused = !may;
      const nextMs = Math.min(lease.leftMs, session.timeoutMs / 12, 1_000);
      clock.after(Math.max(20, nextMs), tick);
    };
    tick();
  }

  function mayEmit(): boolean {
    if (!membership || membership.abort.signal.aborted) return false;
    if (settings.onCoordinatorLost === "continue") return true;
    const { session, participant } = membership;
    return (leaseOf(session, clock).valid && participant.informed) || clock.now() < agreedUntil;
  }

  /** As soon as there is no connection the others are asked: an answer takes a while. */
  function whileSuspended(signal: AbortSignal): void {
    if (settings.onCoordinatorLost !== "auto" || !membership) return;
    const known = membership.others();
    const { session } = membership;
    const here = new AbortController();
    const off = session.onState(() => {
      off();
      here.abort();
      agreedUntil = Number.NEGATIVE_INFINITY;
    });
    signal.addEventListener("abort", () => here.abort(), { once: true });
    const ask = (pid: string) => {
      const rpc = known.get(pid);
      return rpc == null ? Promise.reject(new Error("no address")) : deps.askLost(pid, rpc);
    };
    const { promiseMs } = settings;
    const asking = { clock, pid: deps.pid, ask, promiseMs, stillValid: mayEmit };
    const holds = (until: number): void => {
      agreedUntil = until;
    };
    void keepAgreeing({ ...asking, others: [...known.keys()] }, holds, here.signal);
  }

  return {
    get mayEmit() {
      return mayEmit();
    },
    pid: deps.pid,
    ...{ monitor, settings },
    get joined() {
      return membership?.joined === true && membership.session.state === "connected";
    },
    get owned() {
      return membership?.participant.owned ?? [];
    },
    get epoch() {
      return membership?.epoch ?? null;
    },
    get trouble() {
      return trouble;
    },
    get session() {
      return membership?.session ?? null;
    },
    setResources: wanted.set,
    async commit(rid) {
      if (!membership) throw new DbusError("ACTOR_UNAVAILABLE", "not a member of the cluster now");
      await membership.participant.commit(rid);
    },
    renounce: (rid, error) => membership?.participant.renounce(rid, error),
    doorbell: () => membership?.participant.poke(),
    lost() {
      const known = [deps.pid, ...(membership?.others().keys() ?? [])];
      // A decision that is on its way may be done in spite of any promise.
      const lost = membership?.session.state === "suspended" && membership.undecided === 0;
      return promises.asked(lost && !leaving, known);
    },
    async stop(deadlineMs) {
      leaving = true;
      const own = membership;
      if (own) {
        await Promise.race([giveBack({ ...own, clock, log }), sleep(clock, deadlineMs)]);
      }
      const unsettled = own?.participant.unsettled ?? [];
      // A promise binds whoever is started next under this name too, who would have to wait for it.
      if (promises.leftMs > 0) await sleep(clock, promises.leftMs);
      promises.ended();
      stopping.abort();
      await ended.promise;
      return unsettled;
    },
    ended: ended.promise,
  };
}
