import { DbusError } from "./errors.ts";

/**
 * Throws `INVARIANT` when `condition` does not hold. Used on the data path: it takes no closure
 * and builds no string unless it fails.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new DbusError("INVARIANT", message);
}
