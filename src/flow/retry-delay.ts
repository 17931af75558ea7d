import { backoffDelay } from "../actor/backoff.ts";
import type { RetryPolicy } from "../plugin/define.ts";

/**
 * Milliseconds before the next try: a fixed delay for the first `times` retries, a growing one for
 * those after them. `attempts` counts the tries that failed, from 0; `random` gives [0, 1).
 */
export function retryDelay(policy: RetryPolicy, attempts: number, random: () => number): number {
  const { times, delayMs, delayMsMax } = policy;
  if (attempts < times) return delayMs;
  const growing = { minMs: delayMs, maxMs: delayMsMax, randomFactor: 0.2 };
  return backoffDelay(growing, attempts - times, random);
}
