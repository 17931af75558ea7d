import type { Clock } from "../clock.ts";
import { systemClock } from "../clock.ts";
import { DbusError } from "../errors.ts";
import type { Message, Ref } from "./actor.ts";
import type { Cell } from "./cell.ts";
import type { ChildChange, SupervisorSpec } from "./child-spec.ts";
import { createScheduler, type Scheduler } from "./scheduler.ts";
import { createSupervisor, type SupervisorDeps } from "./supervisor.ts";
import type { NodeStatus } from "./tree-node.ts";
import { type Turns, unwatchedTurns } from "./turns.ts";

export type System = {
  start(): Promise<void>;
  /** Stops the tree in reverse order. Never rejects; each child has its own deadline. */
  stop(): Promise<void>;
  /** Ends the backoff of the actor at that path; false when it is not in one. */
  wake(path: string): boolean;
  /**
   * Gives the supervisor at that path other children. What is removed or replaced comes to an
   * orderly end first; then the rest starts, unless the supervisor itself is not running: then it
   * starts with it. Refs of what is added are there when this returns, before anything is started.
   */
  change(path: string, change: ChildChange): Promise<void>;
  status(): NodeStatus;
  /** The actor at that path, running or not. */
  ref<M extends Message>(path: string): Ref<M>;
  /** Ends the incarnation at that path with an error found outside of it; false without one. */
  fail(path: string, error: unknown): boolean;
  /** Resolves when the root gave up, with the reason; never after an orderly stop. */
  readonly failed: Promise<DbusError>;
};

export type SystemOptions = {
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
  /** Where each actor notes its turn; nobody looks unless told. */
  readonly turns?: Turns;
  readonly random?: () => number;
  readonly onFailure?: SupervisorDeps["onFailure"];
};

/** A supervision tree with its actors, ready to start. */
export function createSystem(root: SupervisorSpec, options: SystemOptions = {}): System {
  const cells = new Map<string, Cell>();
  const failed = Promise.withResolvers<DbusError>();
  const deps: SupervisorDeps = {
    clock: options.clock ?? systemClock,
    scheduler: options.scheduler ?? createScheduler(),
    turns: options.turns ?? unwatchedTurns(),
    random: options.random ?? Math.random,
    register(path, cell) {
      cells.set(path, cell);
      return () => {
        if (cells.get(path) === cell) cells.delete(path);
      };
    },
    onFailure: options.onFailure ?? (() => {}),
  };
  const supervisor = createSupervisor(root, root.id, deps, failed.resolve);
  return {
    start: () => supervisor.start(),
    stop: () => supervisor.stop(),
    wake: (path) => supervisor.wake(path),
    change(path, change) {
      const done = supervisor.change(path, change);
      if (!done) throw new DbusError("NOT_FOUND", `no supervisor at ${path}`);
      return done;
    },
    status: () => ({ ...supervisor.status(), restarts: 0, lastError: null }),
    ref<M extends Message>(path: string) {
      const ref = cells.get(path)?.ref;
      if (!ref) throw new DbusError("NOT_FOUND", `no actor at ${path}`);
      return ref as unknown as Ref<M>;
    },
    fail: (path, error) => cells.get(path)?.fail(error) ?? false,
    failed: failed.promise,
  };
}
