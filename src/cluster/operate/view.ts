import type { OrphanReason } from "../assignment/problem.ts";
import type { ResourceState } from "../observe.ts";

/** What people and machines are shown of a cluster. Times are Unix milliseconds of the servers. */
export type ClusterView = {
  readonly leader: { readonly id: string; readonly rpc: string | null } | null;
  readonly epoch: number;
  /** The generation of the newest decision, 0 before the first. */
  readonly gen: number;
  readonly participants: readonly ParticipantView[];
  readonly resources: readonly ResourceView[];
  /** Somebody has asked for a decision, and it is not made yet. */
  readonly requested: { readonly by: string; readonly at: number } | null;
};

export type ParticipantView = {
  readonly id: string;
  /** `gone` is a member that is not there; only `forget` takes it off the list. */
  readonly state: "online" | "draining" | "gone";
  readonly leader: boolean;
  /** As decisions count it; `ownWeight` is what it says itself, null while it is gone. */
  readonly weight: number | null;
  readonly ownWeight: number | null;
  /** What an operator said of it, and who. */
  readonly order: {
    readonly drain: boolean;
    readonly weight: number | null;
    readonly by: string;
    readonly at: number;
  } | null;
  readonly tags: readonly string[];
  readonly tenants: readonly string[];
  readonly build: string | null;
  readonly proto: readonly [number, number] | null;
  /** The pushed configuration that it runs; null where it has a file of its own. */
  readonly configVersion: number | null;
  /** The newest one, when it would not take it: nothing of it runs there. */
  readonly configRefused: {
    readonly n: number;
    readonly code: string;
    readonly problems: readonly string[];
    readonly at: number;
  } | null;
  readonly rpc: string | null;
  /** What it has, in number and in cost. */
  readonly resources: number;
  readonly cost: number;
};

export type ResourceView = {
  readonly id: string;
  readonly input: string;
  readonly resource: string;
  readonly cost: number;
  readonly group: string | null;
  readonly tags: readonly string[];
  readonly tenant: string | null;
  readonly owner: string | null;
  readonly state: ResourceState;
  /** Why nobody is given it, as a decision of now would say; null where somebody has it. */
  readonly why: OrphanReason | null;
  /** Since when the assignment is what it is, and the decision that made it so. */
  readonly since: number;
  readonly gen: number;
  /**
   * Since when nobody reads it, as far as its nodes tell: since it was given or taken, or since the
   * last commit, whichever is later. null while it is read.
   */
  readonly unreadSince: number | null;
  /** How the last tries to open it went wrong; null when they did not. */
  readonly failure: {
    readonly code: string | null;
    readonly reason: string | null;
    readonly attempts: number;
    readonly waitMs: number;
    readonly failedOn: readonly string[];
    /** So many could not open it that it waits for a person, and is tried ever more seldom. */
    readonly quarantined: boolean;
  } | null;
  /** Where an operator wants it. */
  readonly wish: { readonly to: string; readonly by: string } | null;
  readonly checkpoint: {
    readonly seq: number;
    readonly at: number;
    readonly positions: Readonly<Record<string, string>>;
  } | null;
};

/** What a decision of this moment would change. */
export type PlanView = {
  readonly assign: Readonly<Record<string, string>>;
  readonly revoke: Readonly<Record<string, { readonly from: string; readonly to: string }>>;
  readonly orphans: Readonly<Record<string, OrphanReason>>;
};
