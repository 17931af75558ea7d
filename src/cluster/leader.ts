import type { ZkOperation, ZkResult, ZkSession } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import type { Clock, Timer } from "#src/clock.ts";
import { DbusError } from "#src/errors.ts";
import type { Log } from "#src/log.ts";
import { type Absences, createAbsences } from "./absences.ts";
import { type Answer, decideAll } from "./answer.ts";
import { type Census, takeCensus } from "./census.ts";
import type { Leadership } from "./election.ts";
import { unlessExists } from "./fenced-writes.ts";
import { forgetOldest, remember } from "./history.ts";
import type { Identity } from "./identity.ts";
import type { LeaderSettings } from "./leader-settings.ts";
import type { Monitor } from "./monitor.ts";
import { isHeld, type Observed, type ResourceState, stateOf } from "./observe.ts";
import { assignPath, claimPath, paths } from "./paths.ts";
import { raiseProtocol } from "./protocol.ts";
import { createReconciler } from "./reconciler.ts";
import { type AssignRecord, type DecisionRecord, encode, type ResourceRecord } from "./records.ts";
import { registerResources } from "./register-resources.ts";
import { answered } from "./requests.ts";
import { createSilent } from "./silent.ts";

export type LeaderDeps = {
  readonly session: ZkSession;
  readonly self: Identity;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly settings: LeaderSettings;
  /** Tells a participant that there is a decision for it; it may be lost. */
  readonly ring: (pid: string, rpc: string, gen: number, epoch: number) => void;
  /** For how long, in ms, a promise to others binds us to decide nothing. */
  readonly boundMs: () => number;
  /** What the configuration wants to be read, as it is now. */
  readonly resources: () => readonly ResourceRecord[];
  /** Calls back when that is another; answers how to end it. */
  readonly onResources: (changed: () => void) => () => void;
  readonly newId: () => string;
  /** Told what it sees and decides, for people. */
  readonly monitor: Pick<Monitor, "seen" | "decided">;
  /** Told why nothing can be decided, and with null that something can. */
  readonly report: (trouble: DbusError | null) => void;
};

/**
 * Decides for one epoch: looks at all of the cluster whenever some of it has changed, computes who
 * is to read what, and writes that down before anybody is told. Resolves when the right to decide
 * is lost or `signal` aborts.
 */
export function lead(deps: LeaderDeps, leadership: Leadership, signal: AbortSignal): Promise<void> {
  const { session, clock, random, log, settings } = deps;
  const { promise, resolve } = Promise.withResolvers<void>();
  /** Since when each assignment waits for its claim, and each revoked claim for its end. */
  const waiting = new Map<string, { readonly fence: number; readonly since: number }>();
  /** Since when each failure is known here. */
  const failures = new Map<string, { readonly fence: number; readonly since: number }>();
  /** Looks again when the first of them has waited long enough: nothing else would tell. */
  let rested: Timer | undefined;
  const silent = createSilent(clock, 4 * settings.claimTimeoutMs);
  const news = (): void => deciding.poke();
  const absences: Absences = createAbsences(clock, settings.rejoinDelayMs ?? 0, news);
  const deciding = createReconciler({
    ...{ clock, random, debounceMs: settings.debounceMs },
    everyMs: settings.reconcileEveryMs,
    async run() {
      const census = await takeCensus(session, news);
      if (signal.aborted) return;
      const boundMs = deps.boundMs();
      if (boundMs === 0) {
        await decide(census);
        deps.report(null);
      } else clock.after(boundMs, () => deciding.poke());
    },
    onError(error) {
      const isOver = error.kind === "fence" || signal.aborted;
      if (isOver) resolve();
      else if (error.kind === "fatal" || isZk(error, "no_node")) deps.report(error);
      return !isOver;
    },
  });
  signal.addEventListener("abort", () => resolve(), { once: true });
  log.info("leads the cluster", { epoch: leadership.epoch });
  const ends = [
    deps.onResources(news),
    // What failed for want of a connection waits ever longer, and need not now.
    session.onState((state) => {
      if (state === "connected") news();
    }),
  ];
  deciding.poke();
  return promise.finally(() => {
    for (const end of ends) end();
    rested?.cancel();
    deciding.stop();
  });

  /** Asked before each write: a promise may have been given while the one before was on its way. */
  async function write(operations: readonly ZkOperation[]): Promise<readonly ZkResult[]> {
    if (deps.boundMs() > 0) throw new DbusError("ACTOR_UNAVAILABLE", "bound by a promise");
    return await leadership.write(operations);
  }

  async function decide(census: Census): Promise<void> {
    const wanted = deps.resources();
    const { newId } = deps;
    if ((await registerResources({ session, census, wanted, write, newId, random })) > 0) {
      deciding.poke();
      return;
    }
    const states = new Map(
      census.resources.map((one) => [one.rid, stateOf(one, census.participants, census.decision)]),
    );
    deps.monitor.seen(census, states);
    await raiseProtocol(session, census.participants, write);
    const forced = census.resources.filter((one) => isOverdue(one, states.get(one.rid), census));
    if (forced.length > 0) {
      for (const one of forced) {
        const { owner } = one.assign.record;
        if (owner !== null) silent.add(owner, census.participants);
        await force(one);
      }
      deciding.poke();
      return;
    }
    for (const one of census.resources) {
      if (states.get(one.rid) === "stray") await removeStray(one);
    }
    // Whoever asks for a decision now wants no more of former wishes, and no waiting.
    const rests = restingOf(census);
    const { request } = census;
    const participants = silent.heeded(census.participants);
    const asked = { ...census, participants, wishes: request ? new Map() : census.wishes };
    const resting = request ? new Set<string>() : rests;
    const away = request ? new Set<string>() : absences.of(census, states);
    const answer = decideAll(asked, states, deps.resources(), settings, resting, away);
    if (answer.assign.size + answer.revoke.size > 0 && !isSame(answer, census.decision)) {
      const assign = new Map([...answer.assign].slice(0, assignMax));
      await announce(census, states, { ...answer, assign });
      if (assign.size < answer.assign.size) deciding.poke();
    } else if (request) await write(answered(census));
  }

  /** Failed resources whose wait has not run out on our clock, which began when we saw the failure. */
  function restingOf({ resources }: Census): ReadonlySet<string> {
    const rest = new Set<string>();
    let soonestMs = Number.POSITIVE_INFINITY;
    for (const { rid, status } of resources) {
      if (status?.state !== "failed") {
        failures.delete(rid);
        continue;
      }
      const { fence, waitMs } = status;
      const known = failures.get(rid);
      const since = known?.fence === fence ? known.since : clock.now();
      failures.set(rid, { fence, since });
      const leftMs = since + waitMs - clock.now();
      if (leftMs <= 0) continue;
      rest.add(rid);
      soonestMs = Math.min(soonestMs, leftMs);
    }
    rested?.cancel();
    rested = rest.size > 0 ? clock.after(soonestMs, news) : undefined;
    return rest;
  }

  /** Whether a participant takes too long; the first look at it only begins to count. */
  function isOverdue({ rid, assign }: Observed, state: ResourceState | undefined, census: Census) {
    const revoked = census.decision?.revoke[rid]?.from === assign.record.owner;
    const waitsFor =
      state === "assigned"
        ? settings.claimTimeoutMs
        : revoked && state !== undefined && isHeld(state)
          ? settings.closeTimeoutMs
          : undefined;
    if (waitsFor === undefined) {
      waiting.delete(rid);
      return false;
    }
    const known = waiting.get(rid);
    if (known?.fence !== assign.version) {
      waiting.set(rid, { fence: assign.version, since: clock.now() });
      return false;
    }
    return clock.now() - known.since >= waitsFor;
  }

  /** Takes a resource from an owner that does not answer: its fence is of no use from now on. */
  async function force({ rid, assign, claim }: Observed): Promise<void> {
    const { record, version } = assign;
    log.warn("a resource is taken from its owner", { resource: rid, owner: record.owner });
    const freed: AssignRecord = { ...record, owner: null, inc: null, prev: prevOf(assign) };
    const operations: ZkOperation[] = [
      { kind: "set", path: assignPath(rid), data: encode(freed), version },
    ];
    // One that comes just now holds.
    if (!claim) operations.unshift(...unlessExists(claimPath(rid)));
    else operations.push({ kind: "delete", path: claimPath(rid), version: claim.version });
    await write(operations);
  }

  async function removeStray({ rid, claim }: Observed): Promise<void> {
    if (!claim) return;
    await write([{ kind: "delete", path: claimPath(rid), version: claim.version }]);
  }

  /** Writes the decision and the assignments of it, then tells those whom it is for. */
  async function announce(
    census: Census,
    states: ReadonlyMap<string, ResourceState>,
    answer: Answer,
  ): Promise<void> {
    const { participants, decision, decisionVersion } = census;
    const gen = (decision?.gen ?? 0) + 1;
    const record: DecisionRecord = {
      ...{ gen, epoch: leadership.epoch, by: deps.self.pid },
      revoke: Object.fromEntries(answer.revoke),
      assign: Object.fromEntries(answer.assign),
      why: whyOf(answer),
    };
    const head: ZkOperation =
      decisionVersion === null
        ? { kind: "create", path: paths.decision, data: encode(record) }
        : {
            kind: "set",
            path: paths.decision,
            data: encode(record),
            version: decisionVersion,
          };
    const byRid = new Map(census.resources.map((one) => [one.rid, one]));
    const sets = [...answer.assign].flatMap(([rid, owner]): ZkOperation[][] => {
      const one = byRid.get(rid);
      const inc = participants.get(owner)?.inc;
      if (!one || inc === undefined) return [];
      const { assign } = one;
      const given: AssignRecord = {
        ...{ owner, inc, gen, epoch: leadership.epoch },
        prev: prevOf(assign),
      };
      const path = assignPath(rid);
      // It may be claimed by now, by one that has not heard yet that it gives it away.
      const guard = states.get(rid) === "released" ? unlessExists(claimPath(rid)) : [];
      return [[...guard, { kind: "set", path, data: encode(given), version: assign.version }]];
    });
    // The decision goes with the first of them: nothing of it is done before it is written.
    let first: readonly ZkOperation[] = [head, remember(record, census, clock.wall())];
    for (const part of inParts([...sets, ...answered(census).map((one) => [one])])) {
      await write([...first, ...part.flat()]);
      first = [];
    }
    if (first.length > 0) await write(first);
    log.info("decided who reads what", { gen, why: record.why });
    deps.monitor.decided({ assign: answer.assign.size, revoke: answer.revoke.size });
    await forgetOldest(session, write);
    const concerned = new Set([...answer.assign.values()]);
    for (const { from } of answer.revoke.values()) concerned.add(from);
    for (const pid of concerned) {
      const rpc = participants.get(pid)?.rpc;
      if (rpc != null) deps.ring(pid, rpc, gen, leadership.epoch);
    }
  }
}

/** As many assignments as a decision tells of, which has to fit into one node; the rest follow. */
const assignMax = 2_000;
/** As many resources as go into one write, with up to three operations each. */
const partMax = 50;

function inParts<T>(items: readonly T[]): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < items.length; at += partMax) parts.push(items.slice(at, at + partMax));
  return parts;
}

function prevOf({ record, version }: Observed["assign"]): AssignRecord["prev"] {
  return record.owner === null ? record.prev : { pid: record.owner, fence: version };
}

function whyOf({ assign, revoke, orphans }: Answer): string {
  return `${assign.size} assigned, ${revoke.size} revoked, ${orphans.size} without an owner`;
}

/** The same revocations as the last decision, and nothing to assign: it is under way already. */
function isSame(answer: Answer, decision: DecisionRecord | null): boolean {
  if (answer.assign.size > 0 || decision === null) return false;
  const before = Object.entries(decision.revoke);
  const same = ([rid, { from, to }]: (typeof before)[number]) => {
    const now = answer.revoke.get(rid);
    return now?.from === from && now.to === to;
  };
  return before.filter(same).length === answer.revoke.size;
}
