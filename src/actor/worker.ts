import type { Clock } from "../clock.ts";
import { type Cell, createCell } from "./cell.ts";
import type { WorkerSpec } from "./child-spec.ts";
import type { Scheduler } from "./scheduler.ts";
import type { TreeNode } from "./tree-node.ts";
import type { Turns } from "./turns.ts";

export type WorkerDeps = {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly turns: Turns;
  /** Told of each actor's cell when its place in the tree is made; the answer makes it forget it. */
  readonly register: (path: string, cell: Cell) => () => void;
};

/** A leaf of the tree: an actor's cell. */
export function createWorker(
  first: WorkerSpec,
  path: string,
  { clock, scheduler, turns, register }: WorkerDeps,
  onFailed: (error: unknown) => void,
): TreeNode {
  let spec = first;
  const cell: Cell = createCell({
    path,
    behaviour: spec.behaviour,
    clock,
    scheduler,
    turns,
    onFailed,
  });
  const dispose = register(path, cell);
  return {
    start: () => cell.start(),
    stop: () => cell.stop(spec.shutdownMs),
    wake: () => false,
    change: () => undefined,
    become(other) {
      spec = other;
      cell.become(other.behaviour);
    },
    dispose,
    status() {
      const { state, depth, bytes, handled, busyMs } = cell.status();
      return { path, state, mailbox: { depth, bytes }, handled, busyMs, children: [] };
    },
  };
}
