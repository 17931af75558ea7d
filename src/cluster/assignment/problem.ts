/** What the assignment is computed from: values only, so that the same question has one answer. */
export type AssignmentProblem = {
  readonly participants: readonly Candidate[];
  readonly resources: readonly Wanted[];
  /** Who has it now, by resource: from its claim, else from its assignment. The dead do not count. */
  readonly owners: ReadonlyMap<string, string>;
  readonly policy: AssignmentPolicy;
};

/** A live participant. */
export type Candidate = {
  readonly id: string;
  /** The share of the load that it takes; 0 takes none. */
  readonly weight: number;
  readonly tags: readonly string[];
  /** Whose resources it reads; empty reads everybody's. */
  readonly tenants: readonly string[];
  /** Takes nothing new and gives away what it has. */
  readonly draining: boolean;
};

export type Wanted = {
  readonly id: string;
  /** At least 1. */
  readonly cost: number;
  /** Resources of one group have one owner. */
  readonly group: string | undefined;
  /** Its owner has all of these. */
  readonly tags: readonly string[];
  readonly tenant: string | undefined;
  /** False leaves it without an owner for now: it failed and waits, or its owner is coming back. */
  readonly ready: boolean;
  /** Who had it last, and is preferred while that costs little balance. */
  readonly lastOwner: string | undefined;
  /** Where an operator wants it, or the decision that took it from its owner: goes there if it may. */
  readonly wish: string | undefined;
  /** Its owner is giving it away to where it is wished; that goes before all other moves. */
  readonly underWay: boolean;
  /** Where it could not be opened: others are tried first. */
  readonly failedOn: readonly string[];
  /** It failed not long ago: for now only others than those of `failedOn` may have it. */
  readonly waits: boolean;
};

export type AssignmentPolicy = {
  /** The most resources that change their owner at a time; those of groups move together. */
  readonly movesMax: number;
  /** A move lowers the higher of two loads by more than this share of the highest of all. */
  readonly gainMin: number;
  /** The last owner is taken if its load is not higher than the lowest by more than this share. */
  readonly stickiness: number;
  /** False moves nothing for balance: somebody has just left and may be coming back. */
  readonly balance: boolean;
};

export const defaultPolicy = (resources: number): AssignmentPolicy => ({
  movesMax: Math.max(1, Math.floor(resources / 5)),
  gainMin: 0.05,
  stickiness: 0.1,
  balance: true,
});

/** What is to change. All of it in the order of ids. */
export type AssignmentAnswer = {
  /** Owners of resources that have none. */
  readonly assign: ReadonlyMap<string, string>;
  /** Resources that their owner gives away: they go to `to` when that one has closed them. */
  readonly revoke: ReadonlyMap<string, Move>;
  /** Resources that nobody may take, each with the reason. */
  readonly orphans: ReadonlyMap<string, OrphanReason>;
};

export type Move = { readonly from: string; readonly to: string };

export type OrphanReason = "nobody" | "tags" | "tenant" | "waiting";
