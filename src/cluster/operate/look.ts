import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { answerFor } from "../answer.ts";
import { type Census, takeCensus } from "../census.ts";
import { type ConfigReport, configReports } from "../config-report.ts";
import type { LeaderSettings } from "../leader-settings.ts";
import { isHeld, type Observed, type ResourceState, stateOf } from "../observe.ts";
import { optional } from "../optional.ts";
import { assignPath, checkpointPath, memberPath, paths } from "../paths.ts";
import {
  type CheckpointRecord,
  checkpointSchema,
  decode,
  epochSchema,
  leaderSchema,
  memberSchema,
} from "../records.ts";
import { ordered } from "../requests.ts";
import type { ClusterView, ParticipantView, PlanView, ResourceView } from "./view.ts";

export type LookSettings = Pick<LeaderSettings, "quarantineAfter" | "policy">;

/** Everything of a cluster at about one moment. It only reads, and leaves no watches behind. */
export async function lookAt(session: ZkSession, settings: LookSettings): Promise<ClusterView> {
  const census = await takeCensus(session);
  const states = statesOf(census);
  const [leader, epoch, members, reports, resources] = await Promise.all([
    optional(session, paths.leader, (data) => decode(leaderSchema, data, paths.leader)),
    optional(session, paths.leaderEpoch, (data) => decode(epochSchema, data, paths.leaderEpoch)),
    membersOf(session),
    configReports(session),
    Promise.all(census.resources.map((one) => resourceView(session, one, census, settings))),
  ]);
  const { orphans } = answerFor(census, states, new Set(), settings);
  const { request, decision } = census;
  const pid = leader?.record.pid;
  const around = { census, members, reports, states };
  const all = [...new Set([...members.keys(), ...census.participants.keys()])].sort();
  return {
    leader: leader ? { id: leader.record.pid, rpc: leader.record.rpc } : null,
    epoch: epoch?.record.epoch ?? 0,
    gen: decision?.gen ?? 0,
    participants: all.map((id) => participantView(id, { ...around, leader: pid })),
    resources: resources.map((one) => ({ ...one, why: orphans.get(one.id) ?? null })),
    requested: request?.record ?? null,
  };
}

/** What the leader would decide now if it was asked to, by the same function. */
export async function planOf(session: ZkSession, settings: LookSettings): Promise<PlanView> {
  const census = await takeCensus(session);
  const asked = { ...census, wishes: new Map() };
  const { assign, revoke, orphans } = answerFor(asked, statesOf(census), new Set(), settings);
  return {
    assign: Object.fromEntries(assign),
    revoke: Object.fromEntries(revoke),
    orphans: Object.fromEntries(orphans),
  };
}

function statesOf({ resources, participants, decision }: Census) {
  return new Map(resources.map((one) => [one.rid, stateOf(one, participants, decision)]));
}

/** Everybody that has ever joined, with the address that was last known. */
async function membersOf(session: ZkSession): Promise<ReadonlyMap<string, string | null>> {
  const { names } = await session.children(paths.members);
  const read = await Promise.all(
    names.map(async (pid) => {
      const path = memberPath(pid);
      const found = await optional(session, path, (data) => decode(memberSchema, data, path));
      return [pid, found?.record.rpc ?? null] as const;
    }),
  );
  return new Map(read);
}

type Around = {
  readonly census: Census;
  readonly members: ReadonlyMap<string, string | null>;
  readonly reports: ReadonlyMap<string, ConfigReport>;
  readonly states: ReadonlyMap<string, ResourceState>;
  readonly leader: string | undefined;
};

function participantView(id: string, around: Around): ParticipantView {
  const { census, members, reports, states, leader } = around;
  const record = census.participants.get(id);
  const order = census.orders.get(id) ?? null;
  const counted = record && ordered(id, record, census.orders);
  const own = census.resources.filter(
    ({ rid, assign }) => assign.record.owner === id && isHeld(states.get(rid) ?? "orphan"),
  );
  return {
    id,
    state: record === undefined ? "gone" : counted?.draining ? "draining" : "online",
    leader: leader === id,
    weight: counted?.weight ?? order?.weight ?? null,
    ownWeight: record?.weight ?? null,
    order,
    tags: record?.tags ?? [],
    tenants: record?.tenants ?? [],
    build: record?.build ?? null,
    proto: record?.proto ?? null,
    configVersion: reports.get(id)?.n ?? (record?.configVersion || null),
    configRefused: reports.get(id)?.refused ?? null,
    rpc: record?.rpc ?? members.get(id) ?? null,
    resources: own.length,
    cost: own.reduce((sum, { record: { cost } }) => sum + cost, 0),
  };
}

async function resourceView(
  session: ZkSession,
  one: Observed,
  { participants, decision, wishes }: Census,
  { quarantineAfter }: LookSettings,
): Promise<Omit<ResourceView, "why">> {
  const { rid, record, assign, status } = one;
  const state = stateOf(one, participants, decision);
  const path = checkpointPath(rid);
  const [checkpoint, stat] = await Promise.all([
    optional(session, path, (data) => decode(checkpointSchema, data, path, "CHECKPOINT_CORRUPT")),
    session.exists(assignPath(rid)),
  ]);
  const since = stat?.changedAt ?? 0;
  const failed = status?.state === "failed" ? status : undefined;
  const { code, reason, attempts, waitMs, failedOn } = failed ?? {};
  return {
    id: rid,
    ...record,
    owner: assign.record.owner,
    ...{ state, since },
    unreadSince: state === "running" ? null : Math.max(since, checkpoint?.record.at ?? 0),
    gen: assign.record.gen,
    failure: failed
      ? {
          ...{ code: code ?? null, reason: reason ?? null, attempts: attempts ?? 0 },
          ...{ waitMs: waitMs ?? 0, failedOn: failedOn ?? [] },
          quarantined: !isHeld(state) && failed.failedOn.length >= quarantineAfter,
        }
      : null,
    wish: wishes.get(rid)?.record ?? null,
    checkpoint: checkpoint && checkpointView(checkpoint.record),
  };
}

function checkpointView({ seq, at, positions }: CheckpointRecord) {
  return { seq, at, positions };
}
