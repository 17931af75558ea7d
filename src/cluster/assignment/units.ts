import type { Candidate, OrphanReason, Wanted } from "./problem.ts";

/** Resources that move together: a group, or one that has none. */
export type Unit = {
  readonly id: string;
  readonly members: readonly Wanted[];
  readonly cost: number;
  /** Owner of the most of it, by cost. */
  readonly owner: string | undefined;
};

/** The resources as units, in the order of their ids. */
export function unitsOf(resources: readonly Wanted[], owners: ReadonlyMap<string, string>): Unit[] {
  const byId = new Map<string, Wanted[]>();
  for (const resource of resources.toSorted(byIdOrder)) {
    // A group and a resource may have one name.
    const id = resource.group === undefined ? `r/${resource.id}` : `g/${resource.group}`;
    const members = byId.get(id);
    if (members) members.push(resource);
    else byId.set(id, [resource]);
  }
  return [...byId].map(([id, members]) => {
    const cost = members.reduce((sum, member) => sum + member.cost, 0);
    return { id, members, cost, owner: mainOwner(members, owners) };
  });
}

export function byIdOrder(a: { readonly id: string }, b: { readonly id: string }): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

function mainOwner(
  members: readonly Wanted[],
  owners: ReadonlyMap<string, string>,
): string | undefined {
  const held = new Map<string, number>();
  for (const { id, cost } of members) {
    const owner = owners.get(id);
    if (owner !== undefined) held.set(owner, (held.get(owner) ?? 0) + cost);
  }
  let most: string | undefined;
  for (const [owner, cost] of [...held].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (most === undefined || cost > (held.get(most) ?? 0)) most = owner;
  }
  return most;
}

/** Why a unit may not go to a participant; undefined when it may. */
export function refusal(unit: Unit, { tags, tenants }: Candidate): OrphanReason | undefined {
  for (const { tags: wanted, tenant } of unit.members) {
    if (!wanted.every((tag) => tags.includes(tag))) return "tags";
    if (tenant !== undefined && tenants.length > 0 && !tenants.includes(tenant)) return "tenant";
  }
  return undefined;
}

export function hasFailedOn(unit: Unit, id: string): boolean {
  return unit.members.some(({ failedOn }) => failedOn.includes(id));
}
