import { type Load, utilOf } from "./loads.ts";
import type { AssignmentPolicy } from "./problem.ts";
import { hasFailedOn, refusal, type Unit } from "./units.ts";

export type Balancing = {
  readonly loads: readonly Load[];
  /** What may move: units that are with somebody who may have them. */
  readonly kept: readonly { readonly unit: Unit; readonly load: Load }[];
  readonly policy: AssignmentPolicy;
  /** Revokes a unit; false, and nothing done, when that would be too many moves. */
  readonly giveAway: (unit: Unit, to: string) => boolean;
};

/**
 * Moves units from the most to the least loaded as long as that lowers the higher of both loads by
 * more than `gainMin` of it. Every move makes the two more equal, so it comes to an end.
 */
export function balance({ loads, kept, policy, giveAway }: Balancing): void {
  const movable = new Map<Load, Unit[]>();
  for (const { unit, load } of kept) {
    const units = movable.get(load);
    if (units) units.push(unit);
    else movable.set(load, [unit]);
  }
  for (const units of movable.values()) units.sort((a, b) => b.cost - a.cost);
  for (;;) {
    const move = bestMove(loads, movable, policy.gainMin);
    if (!move || !giveAway(move.unit, move.to.candidate.id)) return;
    const { from, to, unit } = move;
    from.cost -= unit.cost;
    from.role = "gives";
    to.cost += unit.cost;
    to.role = "takes";
    movable.set(
      from,
      (movable.get(from) ?? []).filter((other) => other !== unit),
    );
  }
}

/** The first that helps: from the most loaded, to the least loaded, the largest unit. */
function bestMove(
  loads: readonly Load[],
  movable: ReadonlyMap<Load, readonly Unit[]>,
  gainMin: number,
): { readonly from: Load; readonly to: Load; readonly unit: Unit } | undefined {
  const byUtil = loads.toSorted((a, b) => utilOf(a) - utilOf(b));
  for (const from of byUtil.toReversed()) {
    if (from.role === "takes") continue;
    const before = utilOf(from);
    for (const to of byUtil) {
      if (utilOf(to) >= before) break;
      if (to.role === "gives") continue;
      const unit = movable.get(from)?.find((one) => {
        const after = Math.max(utilOf(from, -one.cost), utilOf(to, one.cost));
        return after < before * (1 - gainMin) && mayGo(one, to);
      });
      if (unit) return { from, to, unit };
    }
  }
  return undefined;
}

/** For balance alone nothing goes where it could not be opened. */
function mayGo(unit: Unit, { candidate }: Load): boolean {
  return refusal(unit, candidate) === undefined && !hasFailedOn(unit, candidate.id);
}
