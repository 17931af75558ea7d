import { assignResources } from "./assignment/assign.ts";
import { type AssignmentAnswer, defaultPolicy, type Wanted } from "./assignment/problem.ts";
import type { Census } from "./census.ts";
import type { LeaderSettings } from "./leader-settings.ts";
import { isHeld, type Observed, type ResourceState } from "./observe.ts";
import type { ResourceRecord } from "./records.ts";
import { resourceKey } from "./register-resources.ts";
import { ordered } from "./requests.ts";

/** Whom a resource is taken from, and where it goes; null when it is not wanted any more. */
type Taken = { readonly from: string; readonly to: string | null };
export type Answer = Omit<AssignmentAnswer, "revoke"> & {
  readonly revoke: ReadonlyMap<string, Taken>;
};

/**
 * What the configuration does not name any more is taken from its owner and given to nobody. Its
 * nodes stay, and its checkpoint with them: should it come back, reading goes on there.
 */
export function decideAll(
  census: Census,
  states: ReadonlyMap<string, ResourceState>,
  wanted: readonly ResourceRecord[],
  settings: LeaderSettings,
  resting: ReadonlySet<string>,
  away: ReadonlySet<string>,
): Answer {
  const names = new Set(wanted.map(resourceKey));
  const isWanted = ({ record }: Observed) => names.has(resourceKey(record));
  const resources = census.resources.filter(isWanted);
  const answer = answerFor({ ...census, resources }, states, resting, settings, away);
  const retired = census.resources.flatMap((one): [string, Taken][] => {
    const { owner } = one.assign.record;
    const state = states.get(one.rid);
    if (isWanted(one) || owner === null || state === undefined || !isHeld(state)) return [];
    return [[one.rid, { from: owner, to: null }]];
  });
  return { ...answer, revoke: new Map<string, Taken>([...answer.revoke, ...retired]) };
}

/** Who is to have what, by what is there. */
export function answerFor(
  census: Pick<Census, "participants" | "resources" | "decision" | "wishes" | "orders">,
  states: ReadonlyMap<string, ResourceState>,
  resting: ReadonlySet<string>,
  settings: Pick<LeaderSettings, "quarantineAfter" | "policy">,
  /** Resources whose owner may be coming back. */
  away: ReadonlySet<string> = new Set(),
): AssignmentAnswer {
  const { participants, resources, decision, wishes } = census;
  const owners = new Map<string, string>();
  const wanted = resources.map(({ rid, record, assign, status }): Wanted => {
    const state = states.get(rid) ?? "orphan";
    const moved = decision?.revoke[rid];
    const revokedTo = moved?.to ?? undefined;
    const isMoved = moved?.from === assign.record.owner && (decision?.gen ?? 0) > assign.record.gen;
    const underWay = isMoved && revokedTo !== undefined && isHeld(state);
    if (isHeld(state) && assign.record.owner !== null) owners.set(rid, assign.record.owner);
    const failing = status?.state === "failed";
    const failedOn = failing ? status.failedOn : [];
    const isOut = failing && failedOn.length >= settings.quarantineAfter;
    const waits = resting.has(rid);
    return {
      ...{ id: rid, cost: record.cost, group: record.group ?? undefined, tags: record.tags },
      ...{ tenant: record.tenant ?? undefined, failedOn },
      // Where nobody else is left, who failed tries again after its wait.
      ...{ waits, ready: state !== "stray" && !(waits && isOut) && !away.has(rid) },
      lastOwner: assign.record.owner ?? assign.record.prev?.pid,
      // Its owner may be closing it by now: what was decided of it is carried on.
      wish: underWay
        ? revokedTo
        : (wishes.get(rid)?.record.to ?? (isHeld(state) ? undefined : revokedTo)),
      underWay,
    };
  });
  const policy = { ...defaultPolicy(resources.length), ...settings.policy };
  return assignResources({
    participants: [...participants].map(([id, record]) => ordered(id, record, census.orders)),
    resources: wanted,
    owners,
    // What would be moved now for balance would be moved back when they are there again.
    policy: { ...policy, balance: policy.balance && away.size === 0 },
  });
}
