import { sleep } from "../../../clock.ts";
import { DbusError, toDbusError } from "../../../errors.ts";
import type { Cluster } from "../cluster.ts";
import type {
  GroupEvents,
  GroupMember,
  GroupOptions,
  KafkaConsumerOptions,
  TopicPartition,
} from "../port.ts";
import { heartbeat, joinGroup, leaveGroup, type Member, syncGroup } from "../wire/group.ts";
import {
  memberIdRequired,
  noError,
  protocolError,
  rebalanceInProgress,
} from "../wire/protocol-errors.ts";
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from "../wire/subscription.ts";
import { createCoordinator } from "./coordinator.ts";
import { assignPartitions, stickyProtocol } from "./sticky-assignor.ts";

const placeOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;
const retryMs = { min: 100, max: 5_000 };
/** The group knows the member, and has gone on without it. */
const illegalGeneration = 22;
/** The group knows nothing of such a member, or of such a generation. */
const forgotten: readonly number[] = [illegalGeneration, 25, 82];
/** A group that is not left notices it by itself. */
const leaveMs = 5_000;

/**
 * A member of a group of consumers. It keeps what it has over a rebalance and gives up only what
 * goes to another, and that only once the events' `revoked` has ended. Who was silent for longer
 * than the session has lost everything, by its own clock too: nobody has to tell it.
 *
 * A broker answers a request to join when the others have joined too, and what comes behind it on
 * the same connection only then: so commits, and the word that it leaves, go `aside`.
 */
export function createGroupMember(
  { cluster, aside }: { readonly cluster: Cluster; readonly aside: Cluster },
  group: GroupOptions,
  options: KafkaConsumerOptions,
): GroupMember {
  const { clock, log } = options;
  const coordinator = createCoordinator(cluster, group.group, options);
  const besides = createCoordinator(aside, group.group, options);
  let topics: ReadonlyMap<string, number> = new Map();
  let owned = new Map<string, TopicPartition>();
  let memberId = "";
  let generation = -1;
  let leading = false;
  let stale = true;
  let heardAt = clock.now();
  /** How often the group has had a new generation for us. */
  let rounds = 0;
  /** Ends when nothing is being given up. */
  let revoking: Promise<void> | undefined;
  let wake = () => {};

  const me = (): Member => ({ group: group.group, generation, memberId });

  function loseAll(events: GroupEvents): void {
    const lost = [...owned.values()];
    owned = new Map();
    generation = -1;
    if (lost.length > 0) events.lost(lost);
  }

  /** Throws for a code that is an error; a member that is not known any more begins anew. */
  function check(code: number, events: GroupEvents): void {
    if (code === noError) return;
    if (forgotten.includes(code)) {
      // A member under a new name would leave the old one behind, for which the group then waits.
      if (code !== illegalGeneration) memberId = "";
      loseAll(events);
    }
    throw protocolError(code, `group ${group.group}`);
  }

  async function join(events: GroupEvents, signal: AbortSignal): Promise<void> {
    // Who is not told that it is ours takes it, and what is being given up still is.
    if (revoking) await (generation < 0 ? revoking : whileBeating(revoking, events));
    stale = false;
    const connection = await coordinator.connection();
    const names = [...topics.keys()];
    const subscription = encodeSubscription({ topics: names, owned: [...owned.values()] });
    const { sessionTimeoutMs, rebalanceTimeoutMs } = group;
    const ask = () =>
      joinGroup(connection, {
        group: group.group,
        memberId,
        sessionTimeoutMs,
        rebalanceTimeoutMs,
        protocol: stickyProtocol,
        metadata: subscription,
      });
    let joined = await ask();
    if (joined.errorCode === memberIdRequired) {
      ({ memberId } = joined);
      joined = await ask();
    }
    if (signal.aborted) return;
    check(joined.errorCode, events);
    ({ memberId, generation } = joined);
    heardAt = clock.now();
    leading = joined.leader === memberId;
    const plan = leading ? await planFor(joined.members) : new Map<string, Buffer>();
    const synced = await syncGroup(connection, me(), plan, rebalanceTimeoutMs + 5_000);
    if (signal.aborted) return;
    check(synced.errorCode, events);
    heardAt = clock.now();
    await take(decodeAssignment(synced.assignment), events);
  }

  async function planFor(
    members: readonly { readonly id: string; readonly metadata: Buffer }[],
  ): Promise<Map<string, Buffer>> {
    const claims = members.map(({ id, metadata }) => ({ id, ...decodeSubscription(metadata) }));
    const names = [...new Set(claims.flatMap((claim) => claim.topics))];
    for (const name of names) cluster.forget(name);
    const known = await cluster.topics(names);
    const counts = new Map([...known].map(([name, { leaders }]) => [name, leaders.length]));
    const plan = assignPartitions(claims, counts);
    return new Map([...plan].map(([id, mine]) => [id, encodeAssignment(mine)]));
  }

  /** Takes what is new at once; what is revoked is given up before the next round. */
  async function take(assigned: readonly TopicPartition[], events: GroupEvents): Promise<void> {
    rounds++;
    const mine = new Map(assigned.map((one) => [placeOf(one), one]));
    const added = assigned.filter((one) => !owned.has(placeOf(one)));
    const revoked = [...owned.values()].filter((one) => !mine.has(placeOf(one)));
    for (const one of added) owned.set(placeOf(one), one);
    log.info("the group has a new generation", {
      group: group.group,
      generation,
      partitions: mine.size,
      added: added.length,
      revoked: revoked.length,
    });
    if (added.length > 0) events.assigned(added);
    if (revoked.length === 0) return;
    stale = true;
    const work = events.revoked(revoked);
    const given = () => {
      for (const one of revoked) owned.delete(placeOf(one));
      revoking = undefined;
    };
    revoking = work.then(given, given);
    await whileBeating(work, events);
    await revoking;
  }

  /** Stays a member while something is waited for; what the group wants meanwhile waits too. */
  async function whileBeating(work: Promise<void>, events: GroupEvents): Promise<void> {
    const over = new AbortController();
    const end = () => over.abort();
    work.then(end, end);
    while (!over.signal.aborted) {
      await sleep(clock, group.heartbeatMs, over.signal);
      if (!over.signal.aborted) await beat(events);
    }
    await work;
  }

  async function beat(events: GroupEvents): Promise<void> {
    const asked = coordinator.connection().then((connection) => heartbeat(connection, me()));
    const code = await beforeSessionEnds(asked);
    if (code === undefined) {
      loseAll(events);
      throw new DbusError(
        "KAFKA_REQUEST_FAILED",
        `group ${group.group}: no heartbeat was answered`,
      );
    }
    if (code === rebalanceInProgress) stale = true;
    else check(code, events);
    heardAt = clock.now();
  }

  /** What is answered later than that counts for nothing: another may read what was ours. */
  async function beforeSessionEnds(asked: Promise<number>): Promise<number | undefined> {
    const answered = new AbortController();
    const late = sleep(clock, heardAt + group.sessionTimeoutMs - clock.now(), answered.signal);
    const code = await Promise.race([asked, late.then(() => undefined)]).finally(() =>
      answered.abort(),
    );
    asked.catch(() => {});
    return code;
  }

  /** Joins when it has to, and beats in between, until `signal` aborts or something fails. */
  async function stay(events: GroupEvents, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (stale || generation < 0) await join(events, signal);
      if (stale) continue;
      const rung = new AbortController();
      const end = () => rung.abort();
      wake = end;
      signal.addEventListener("abort", end, { once: true });
      await sleep(clock, group.heartbeatMs, rung.signal);
      signal.removeEventListener("abort", end);
      wake = () => {};
      if (!signal.aborted && !stale) await beat(events);
    }
  }

  /** What is passed by itself is tried again; after a session's time all is lost meanwhile. */
  function afterFailure(error: DbusError, events: GroupEvents): void {
    if (error.code !== "KAFKA_REBALANCED") coordinator.forget();
    stale = true;
    const silent = clock.now() - heardAt;
    if (owned.size > 0 && silent >= group.sessionTimeoutMs) {
      log.warn("the session with the group is over", { group: group.group, silentMs: silent });
      loseAll(events);
    }
  }

  /** Is a member until `signal` aborts; whatever is passed by itself is tried again. */
  async function persist(events: GroupEvents, signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      const before = rounds;
      try {
        await stay(events, signal);
      } catch (thrown) {
        if (rounds > before) failures = 0;
        const error = toDbusError(thrown);
        if (error.kind !== "retry") throw error;
        if (signal.aborted) return;
        afterFailure(error, events);
        if (error.code === "KAFKA_REBALANCED") failures = Math.min(failures, 3);
        else log.warn(`the group cannot be reached: ${error.message}`, { code: error.code });
        await sleep(clock, Math.min(retryMs.max, retryMs.min * 2 ** failures++), signal);
      }
    }
  }

  /** Without it the group notices when the session is over. */
  async function leave(): Promise<void> {
    if (memberId === "") return;
    const left = new AbortController();
    const leaving = besides.connection().then((connection) => leaveGroup(connection, me()));
    const ended = leaving.catch(() => {});
    await Promise.race([ended, sleep(clock, leaveMs, left.signal)]);
    left.abort();
  }

  return {
    async run(events, signal) {
      const aborted = new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      const work = persist(whileWanted(events, signal), signal);
      // It may wait for others to join, for as long as they take.
      await Promise.race([work, aborted]);
      work.catch(() => {});
      await leave();
      generation = -1;
    },
    subscribe(now) {
      const changed =
        now.size !== topics.size ||
        [...now].some(([name, count]) => {
          const before = topics.get(name);
          return before === undefined || (leading && before !== count);
        });
      topics = now;
      if (!changed) return;
      stale = true;
      wake();
    },
    async commit(offsets) {
      if (generation < 0) {
        throw new DbusError("KAFKA_REBALANCED", `group ${group.group}: not a member now`);
      }
      await besides.commit(me(), offsets);
    },
  };
}

/** Tells nothing more once it is over. */
function whileWanted(events: GroupEvents, signal: AbortSignal): GroupEvents {
  return {
    assigned: (partitions) => void (signal.aborted || events.assigned(partitions)),
    revoked: async (partitions) => void (signal.aborted || (await events.revoked(partitions))),
    lost: (partitions) => void (signal.aborted || events.lost(partitions)),
  };
}
