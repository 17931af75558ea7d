import type {
  AssignRecord,
  ClaimRecord,
  DecisionRecord,
  ParticipantRecord,
  ResourceRecord,
  StatusRecord,
} from "./records.ts";

/** Everything that is known of one resource; versions are those that a write has to name. */
export type Observed = {
  readonly rid: string;
  readonly record: ResourceRecord;
  readonly assign: { readonly record: AssignRecord; readonly version: number };
  readonly claim: { readonly record: ClaimRecord; readonly version: number } | null;
  readonly status: StatusRecord | null;
};

/**
 *   orphan -> assigned -> opening -> running -> closing -> released
 *                             \-> failed
 *
 * `stray`: there is a claim, and it is not of this assignment. `lost`: its owner is not there any
 * more, or is there as another.
 */
export type ResourceState =
  | "orphan"
  | "assigned"
  | "opening"
  | "running"
  | "closing"
  | "released"
  | "failed"
  | "stray"
  | "lost";

/** A function of what is there, so that there is no second opinion of it anywhere. */
export function stateOf(
  { rid, assign, claim, status }: Observed,
  participants: ReadonlyMap<string, ParticipantRecord>,
  decision: DecisionRecord | null,
): ResourceState {
  const { owner, inc, gen } = assign.record;
  if (claim && (claim.record.fence !== assign.version || claim.record.pid !== owner))
    return "stray";
  if (owner === null) return "orphan";
  if (participants.get(owner)?.inc !== inc) return claim ? "stray" : "lost";
  if (claim) return claim.record.state;
  if (status?.state === "failed" && status.fence === assign.version) return "failed";
  const revoked = decision?.revoke[rid];
  return revoked?.from === owner && decision !== null && decision.gen > gen
    ? "released"
    : "assigned";
}

/** Whether a participant has it, or is about to: then nobody else may get it. */
export function isHeld(state: ResourceState): boolean {
  return state === "assigned" || state === "opening" || state === "running" || state === "closing";
}
