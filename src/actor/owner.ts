import { AsyncLocalStorage } from "node:async_hooks";

/**
 * The incarnation of an actor whose code runs, as whoever sees an error that nobody caught gets to
 * know it. It follows timers, callbacks and awaited promises.
 */
export type Owner = {
  readonly path: string;
  /** Ends that incarnation; false when it has ended already. */
  fail(error: unknown): boolean;
};

const owners = new AsyncLocalStorage<Owner | undefined>();

/** Whose code runs now; undefined for the kernel's own, and where the runtime does not know. */
export const currentOwner = (): Owner | undefined => owners.getStore();

/** Runs `work`, and everything that it leaves behind in timers and callbacks, as that owner's. */
export function runAs<A, T>(owner: Owner, work: (argument: A) => T, argument: A): T {
  return owners.run(owner, work, argument);
}

/** Runs the kernel's own code, which may be called from an actor's but is nobody's. */
export function runAsNobody<T>(work: () => T): T {
  return owners.run(undefined, work);
}
