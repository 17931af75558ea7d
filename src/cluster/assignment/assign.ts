import { balance } from "./balance.ts";
import { type Load, loadsOf, utilOf } from "./loads.ts";
import type { AssignmentAnswer, AssignmentProblem, Move, OrphanReason, Wanted } from "./problem.ts";
import { hasFailedOn, refusal, type Unit, unitsOf } from "./units.ts";

/**
 * Who is to read which resource. Pure, total and deterministic: it depends on nothing but the
 * problem, and not on the order of anything in it.
 *
 * 1. Whoever has a resource and may have it keeps it.
 * 2. What has no owner goes to whoever is the least loaded with it, the largest first; its last
 *    owner is preferred within `stickiness`, and where it failed is tried last.
 * 3. What a draining participant has is revoked, then what is moved for balance, at most
 *    `movesMax` resources in all. A moved resource is assigned in a later step, when its owner has
 *    closed it: no resource ever has two.
 */
export function assignResources(problem: AssignmentProblem): AssignmentAnswer {
  const { policy, participants } = problem;
  const live = new Set(participants.map(({ id }) => id));
  const owners = new Map([...problem.owners].filter(([, owner]) => live.has(owner)));
  const loads = loadsOf(participants);
  const { kept, free, leaving } = sorted(unitsOf(problem.resources, owners), loads);
  const assign = new Map<string, string>();
  const revoke = new Map<string, Move>();
  const orphans = new Map<string, OrphanReason>();

  function giveAway(unit: Unit, to: string): boolean {
    const held = unit.members.filter(({ id }) => owners.has(id) && !revoke.has(id));
    if (revoke.size > 0 && revoke.size + held.length > policy.movesMax) return false;
    for (const { id } of held) revoke.set(id, { from: owners.get(id) as string, to });
    return true;
  }

  for (const unit of free.toSorted(largestFirst)) {
    const ready = unit.members.some((member) => member.ready);
    const load = ready ? placeFor(unit, loads, policy.stickiness) : undefined;
    if (load) take(load, unit);
    for (const member of unit.members) {
      // What of a group has to wait comes after it.
      if (load && mayGoNow(member, load)) assign.set(member.id, load.candidate.id);
      else orphans.set(member.id, ready && !load ? whyNobody(unit, loads) : "waiting");
    }
  }
  for (const { unit, load } of kept) {
    const to = load.candidate.id;
    for (const member of unit.members) {
      const { id } = member;
      const owner = owners.get(id);
      // A group is gathered: a member with nobody comes to it, one with somebody else is on its way.
      if (owner === undefined && mayGoNow(member, load)) assign.set(id, to);
      else if (owner === undefined) orphans.set(id, "waiting");
      else if (owner !== to) revoke.set(id, { from: owner, to });
    }
  }
  for (const unit of leaving.toSorted(underWayFirst)) {
    // Without anybody to go to, an owner that should give it away is better than none.
    const load = placeFor(unit, loads, policy.stickiness);
    if (load && giveAway(unit, load.candidate.id)) take(load, unit);
    for (const { id } of unit.members) {
      // What a group has beside stays with nobody until the rest of it has moved.
      if (!owners.has(id)) orphans.set(id, load ? "waiting" : whyNobody(unit, loads));
    }
  }
  // What somebody wants to be there is not moved away for balance.
  const movable = kept.filter(({ unit, load }) => wishOf(unit, loads) !== load);
  if (policy.balance) balance({ loads, kept: movable, policy, giveAway });
  return { assign: inOrder(assign), revoke: inOrder(revoke), orphans: inOrder(orphans) };
}

type Sorted = {
  readonly kept: readonly { readonly unit: Unit; readonly load: Load }[];
  readonly free: readonly Unit[];
  /** Their owner drains, may not have them any more, or is wished to give them to another. */
  readonly leaving: readonly Unit[];
};

/** What becomes of each unit; the loads carry what is kept afterwards. */
function sorted(units: readonly Unit[], loads: readonly Load[]): Sorted {
  const kept: { unit: Unit; load: Load }[] = [];
  const free: Unit[] = [];
  const leaving: Unit[] = [];
  for (const unit of units) {
    const load = loads.find(({ candidate }) => candidate.id === unit.owner);
    const wished = wishOf(unit, loads);
    const stays = load && refusal(unit, load.candidate) === undefined;
    if (stays && (!wished || wished === load)) {
      load.cost += unit.cost;
      kept.push({ unit, load });
    } else if (unit.owner === undefined) free.push(unit);
    else leaving.push(unit);
  }
  return { kept, free, leaving };
}

function take(load: Load, unit: Unit): void {
  load.cost += unit.cost;
  load.role = "takes";
}

/** Where it is wished to be, if it may go there now. */
function wishOf(unit: Unit, loads: readonly Load[]): Load | undefined {
  // A wish for somebody who is gone must not hide that of another member.
  const [load] = unit.members.flatMap(({ wish }) =>
    loads.filter(({ candidate }) => candidate.id === wish),
  );
  if (!load || refusal(unit, load.candidate) !== undefined) return undefined;
  const stays = load.candidate.id === unit.owner;
  return stays || unit.members.some((member) => mayGoNow(member, load)) ? load : undefined;
}

/** Where it failed not long ago it would fail again, however much it is wanted there. */
function mayGoNow({ ready, waits, failedOn }: Wanted, { candidate: { id } }: Load): boolean {
  return ready && !(waits && failedOn.includes(id));
}

function underWayFirst(a: Unit, b: Unit): number {
  const rank = ({ members }: Unit) => (members.some(({ underWay }) => underWay) ? 0 : 1);
  return rank(a) - rank(b);
}

function largestFirst(a: Unit, b: Unit): number {
  return b.cost - a.cost || (a.id < b.id ? -1 : 1);
}

/**
 * Where it is wished, else its last owner if that is nearly the least loaded with it, else the
 * least loaded; where it could not be opened only if no other may have it.
 */
function placeFor(unit: Unit, loads: readonly Load[], stickiness: number): Load | undefined {
  const wished = wishOf(unit, loads);
  if (wished) return wished;
  const allowed = allowedFor(unit, loads).filter((load) =>
    unit.members.some((member) => mayGoNow(member, load)),
  );
  const untried = allowed.filter(({ candidate }) => !hasFailedOn(unit, candidate.id));
  const among = untried.length > 0 ? untried : allowed;
  let least: Load | undefined;
  for (const load of among) {
    if (!least || utilOf(load, unit.cost) < utilOf(least, unit.cost)) least = load;
  }
  const last = among.find(({ candidate }) => candidate.id === unit.members[0]?.lastOwner);
  if (!last || !least) return least;
  const isNear = utilOf(last, unit.cost) <= utilOf(least, unit.cost) * (1 + stickiness);
  return isNear ? last : least;
}

function allowedFor(unit: Unit, loads: readonly Load[]): readonly Load[] {
  return loads.filter(({ candidate }) => refusal(unit, candidate) === undefined);
}

function whyNobody(unit: Unit, loads: readonly Load[]): OrphanReason {
  // Only those may have it where it failed not long ago.
  if (allowedFor(unit, loads).length > 0) return "waiting";
  const reasons = loads.map(({ candidate }) => refusal(unit, candidate));
  return reasons.includes("tenant") ? "tenant" : (reasons[0] ?? "nobody");
}

function inOrder<V>(map: ReadonlyMap<string, V>): Map<string, V> {
  return new Map([...map].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
