import type { DbusError } from "#src/errors.ts";

/**
 * Whether this process may read a resource now. A cluster hands a resource to one participant at a
 * time; a process that runs alone is given all of them at its start. Outlives the restarts of the
 * input, which rests while it is not owned.
 */
export type Tenure = {
  owned: boolean;
  /** What the cluster has this resource's reader be known by; undefined outside of one. */
  readerId: number | undefined;
  /** Told once, when the first thing was read; set by whoever waits for that. */
  onAlive: (() => void) | undefined;
  /**
   * Takes a failure that a person has to mend: true when others are to try instead, and the input
   * rests. Not set where there are no others.
   */
  onFailed: ((error: DbusError) => boolean) | undefined;
};

export function createTenure(owned: boolean): Tenure {
  return { owned, readerId: undefined, onAlive: undefined, onFailed: undefined };
}
