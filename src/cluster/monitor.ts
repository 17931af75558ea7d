import type { Clock } from "#src/clock.ts";
import type { Census } from "./census.ts";
import { isHeld, type ResourceState } from "./observe.ts";

/** What a leader knows of its cluster without asking anybody. */
export type LeaderSight = {
  readonly participants: number;
  readonly draining: number;
  /** Resources in each state. */
  readonly states: Readonly<Partial<Record<ResourceState, number>>>;
  readonly quarantined: number;
  /** How long each resource that nobody reads has been seen so, by its id. */
  readonly unread: readonly {
    readonly id: string;
    readonly input: string;
    readonly resource: string;
    readonly ms: number;
  }[];
};

/** Keeps what the leader of this process saw last; nothing while it is no leader. */
export type Monitor = {
  /** The leader has looked at everything. */
  seen(census: Census, states: ReadonlyMap<string, ResourceState>): void;
  /** It has decided: so many resources were given to somebody, so many taken to be moved. */
  decided(changes: { readonly assign: number; readonly revoke: number }): void;
  /** It leads no more. */
  ended(): void;
  sight(): LeaderSight | null;
  /** Since the start of the process. */
  readonly decisions: number;
  readonly assigned: number;
  readonly moved: number;
};

export function createMonitor(
  clock: Clock,
  { quarantineAfter }: { readonly quarantineAfter: number },
): Monitor {
  let last: { census: Census; states: ReadonlyMap<string, ResourceState> } | null = null;
  /** Since when each resource is not read. */
  const since = new Map<string, number>();
  let decisions = 0;
  let assigned = 0;
  let moved = 0;
  return {
    seen(census, states) {
      last = { census, states };
      const now = clock.now();
      for (const { rid } of census.resources) {
        if (states.get(rid) === "running") since.delete(rid);
        else if (!since.has(rid)) since.set(rid, now);
      }
      const known = new Set(census.resources.map(({ rid }) => rid));
      for (const rid of since.keys()) if (!known.has(rid)) since.delete(rid);
    },
    decided({ assign, revoke }) {
      decisions++;
      assigned += assign;
      moved += revoke;
    },
    ended() {
      last = null;
      since.clear();
    },
    sight: () =>
      last ? sightOf(last.census, last.states, since, clock.now(), quarantineAfter) : null,
    get decisions() {
      return decisions;
    },
    get assigned() {
      return assigned;
    },
    get moved() {
      return moved;
    },
  };
}

function sightOf(
  { participants, resources, orders }: Census,
  states: ReadonlyMap<string, ResourceState>,
  since: ReadonlyMap<string, number>,
  now: number,
  quarantineAfter: number,
): LeaderSight {
  const counts: Partial<Record<ResourceState, number>> = {};
  for (const state of states.values()) counts[state] = (counts[state] ?? 0) + 1;
  const drains = [...participants].filter(
    ([id, { state }]) => state === "draining" || orders.get(id)?.drain === true,
  );
  return {
    participants: participants.size,
    draining: drains.length,
    states: counts,
    quarantined: resources.filter(
      ({ rid, status }) =>
        status?.state === "failed" &&
        status.failedOn.length >= quarantineAfter &&
        !isHeld(states.get(rid) ?? "orphan"),
    ).length,
    unread: resources.flatMap(({ rid, record: { input, resource } }) => {
      const from = since.get(rid);
      return from === undefined ? [] : [{ id: rid, input, resource, ms: now - from }];
    }),
  };
}
