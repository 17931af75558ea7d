import type { Candidate } from "./problem.ts";
import { byIdOrder } from "./units.ts";

/** What one participant carries, and which part it plays in this decision. */
export type Load = {
  readonly candidate: Candidate;
  cost: number;
  /**
   * Who gives takes nothing, and who takes gives nothing: so somebody who comes is the only one
   * that gets anything, and of somebody who leaves only the own resources move.
   */
  role: "none" | "gives" | "takes";
};

/** The participants that take resources, in the order of their ids. */
export function loadsOf(participants: readonly Candidate[]): Load[] {
  return participants
    .filter(({ draining, weight }) => !draining && weight > 0)
    .toSorted(byIdOrder)
    .map((candidate) => ({ candidate, cost: 0, role: "none" }));
}

/** Load for its weight, with `more` added. */
export function utilOf({ candidate, cost }: Load, more = 0): number {
  return (cost + more) / candidate.weight;
}
