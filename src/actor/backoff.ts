/** Delays grow from `minMs` by doubling up to `maxMs`, each spread by `randomFactor` (0 to 1). */
export type BackoffPolicy = {
  readonly minMs: number;
  readonly maxMs: number;
  readonly randomFactor: number;
};

export const defaultBackoff: BackoffPolicy = { minMs: 200, maxMs: 30_000, randomFactor: 0.2 };

/**
 * The delay before attempt `attempt` (0 is the first), in milliseconds. `random` gives [0, 1).
 * The form is Pekko's `BackoffSupervisor.calculateDelay`: the spread is added, never taken away.
 */
export function backoffDelay(policy: BackoffPolicy, attempt: number, random: () => number): number {
  const grown = policy.minMs * 2 ** Math.min(attempt, 30);
  return Math.min(policy.maxMs, grown) * (1 + random() * policy.randomFactor);
}
