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
 * Moves units from the most loaded to others as long as that lowers the higher of both loads by
 * more than `gainMin` of the highest of all. Every move makes the two more equal, so it comes to
 * an end; and since that much stays the same from the first to the last move, two that had nothing
 * to exchange before have nothing to exchange after one of them has given something to a third.
 */
export function balance({ loads, kept, policy, giveAway }: Balancing): void {
  const movable = new Map<Load, Unit[]>();
  for (const { unit, load } of kept) {
    const units = movable.get(load);
    if (units) units.push(unit);
    else movable.set(load, [unit]);
  }
  for (const units of movable.values()) units.sort((a, b) => b.cost - a.cost);
  const gain = Math.max(0, ...loads.map((load) => utilOf(load))) * policy.gainMin;
  for (;;) {
    const move = bestMove(loads, movable, gain);
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

/** The first that helps: from the most loaded, the largest unit, to where it weighs the least. */
function bestMove(
  loads: readonly Load[],
  movable: ReadonlyMap<Load, readonly Unit[]>,
  gain: number,
): { readonly from: Load; readonly to: Load; readonly unit: Unit } | undefined {
  const givers = loads.filter(({ role }) => role !== "takes");
  for (const from of givers.toSorted((a, b) => utilOf(b) - utilOf(a))) {
    const most = utilOf(from) - gain;
    for (const unit of movable.get(from) ?? []) {
      if (utilOf(from, -unit.cost) >= most) continue;
      const to = lightest(unit, from, loads);
      if (to && utilOf(to, unit.cost) < most) return { from, to, unit };
    }
  }
  return undefined;
}

function lightest(unit: Unit, from: Load, loads: readonly Load[]): Load | undefined {
  let found: Load | undefined;
  for (const load of loads) {
    if (load === from || load.role === "gives" || !mayGo(unit, load)) continue;
    if (!found || utilOf(load, unit.cost) < utilOf(found, unit.cost)) found = load;
  }
  return found;
}

/** For balance alone nothing goes where it could not be opened. */
function mayGo(unit: Unit, { candidate }: Load): boolean {
  return refusal(unit, candidate) === undefined && !hasFailedOn(unit, candidate.id);
}
