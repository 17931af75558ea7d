import { assert } from "../assert.ts";
import type { Timer } from "../clock.ts";
import { DbusError, toDbusError } from "../errors.ts";
import { type BackoffPolicy, backoffDelay } from "./backoff.ts";
import type { ChildSpec, SupervisorSpec, WorkerSpec } from "./child-spec.ts";
import type { NodeError, NodeStatus, TreeNode } from "./tree-node.ts";
import { createWorker, type WorkerDeps } from "./worker.ts";

export type SupervisorDeps = WorkerDeps & {
  /** [0, 1), for the spread of the backoff. */
  readonly random: () => number;
  /** Told of each failure, for the log. */
  readonly onFailure: (path: string, error: DbusError, delayMs: number | null) => void;
};

type Child = {
  spec: ChildSpec;
  readonly path: string;
  readonly node: TreeNode;
  /** One more with each spec: a failure under the one before it is nothing to this one. */
  generation: number;
  restarts: number;
  attempt: number;
  lastStart: number;
  lastError: NodeError | null;
  waiting: Timer | undefined;
};

/** What needs a person is tried again seldom, so that a mended cause is found without a restart. */
const fatalBackoff = { minMs: 30_000, maxMs: 600_000, randomFactor: 0.2 };

/**
 * Builds the tree below one supervisor. Only a bug counts towards the intensity: a server that is
 * away (`retry`) or a setting that a person must mend (`fatal`) is tried again for ever, with
 * backoff, and whoever lost its epoch (`fence`) stays down. `onFailed` is called when it gives up,
 * after all children were stopped. Starting, stopping and restarting wait in one queue.
 */
export function createSupervisor(
  spec: SupervisorSpec,
  path: string,
  deps: SupervisorDeps,
  onFailed: (error: DbusError) => void,
): TreeNode {
  const { clock } = deps;
  const children: Child[] = spec.children.map(createChild);
  let state: NodeStatus["state"] = "stopped";
  let failures: number[] = [];
  let queue: Promise<void> = Promise.resolve();

  function enqueue(work: () => Promise<void>): Promise<void> {
    const done = queue.then(work);
    queue = done.catch(() => {});
    return done;
  }

  function createChild(childSpec: ChildSpec): Child {
    const childPath = `${path}/${childSpec.id}`;
    const failed = (error: unknown) => childFailed(child, error);
    const node =
      childSpec.kind === "supervisor"
        ? createSupervisor(childSpec, childPath, deps, failed)
        : createWorker(childSpec, childPath, deps, failed);
    const child: Child = {
      spec: childSpec,
      path: childPath,
      node,
      generation: 0,
      restarts: 0,
      attempt: 0,
      lastStart: 0,
      lastError: null,
      waiting: undefined,
    };
    return child;
  }

  function childFailed(child: Child, thrown: unknown) {
    if (
      !children.includes(child) ||
      state === "stopping" ||
      state === "stopped" ||
      state === "failed"
    )
      return;
    const error = toDbusError(thrown);
    const now = clock.now();
    child.lastError = { code: error.code, message: error.message, at: clock.wall() };
    const temporary = child.spec.kind === "worker" && child.spec.restart === "temporary";
    if (temporary || error.kind === "fence") {
      deps.onFailure(child.path, error, null);
      return;
    }
    // A supervisor gives up over bugs only, so what it hands on is one of them.
    const isBug = error.kind === "bug" || error.code === "ACTOR_INTENSITY";
    if (isBug) {
      failures = failures.filter((at) => now - at < spec.periodMs);
      failures.push(now);
      if (failures.length > spec.intensity) {
        deps.onFailure(child.path, error, null);
        void enqueue(() => giveUp(child, error));
        return;
      }
    }
    if (now - child.lastStart > spec.periodMs) child.attempt = 0;
    const policy =
      error.kind === "fatal" && !isBug ? fatalBackoff : backoffOf(child.spec, error, spec.backoff);
    const delayMs = backoffDelay(policy, child.attempt++, deps.random);
    deps.onFailure(child.path, error, delayMs);
    const { generation } = child;
    void enqueue(async () => {
      if (child.generation === generation) await restartLater(child, delayMs);
    });
  }

  /** The children that share the fate of one, in the order in which they start. */
  function affected(child: Child): Child[] {
    const index = children.indexOf(child);
    if (spec.strategy === "one_for_one") return children.slice(index, index + 1);
    return spec.strategy === "one_for_all" ? children : children.slice(index);
  }

  async function restartLater(child: Child, delayMs: number): Promise<void> {
    if (state !== "running" || !children.includes(child)) return;
    const group = affected(child);
    await stopAll(group);
    if (startsWithAnother(children.indexOf(child))) return;
    child.waiting = clock.after(delayMs, () => {
      void enqueue(() => restart(child, group));
    });
  }

  /** Whether a sibling that waits for its own restart will start this child with it. */
  function startsWithAnother(index: number): boolean {
    if (spec.strategy === "one_for_one") return false;
    const waiting = children.findIndex((sibling) => sibling.waiting !== undefined);
    return waiting !== -1 && (spec.strategy === "one_for_all" || waiting < index);
  }

  async function restart(child: Child, group: readonly Child[]): Promise<void> {
    if (state !== "running" || !child.waiting) return;
    child.restarts++;
    await stopAll(group);
    for (const member of group) {
      try {
        await startChild(member);
      } catch (error) {
        childFailed(member, error);
        return;
      }
    }
  }

  async function startChild(child: Child): Promise<void> {
    child.waiting?.cancel();
    child.waiting = undefined;
    child.lastStart = clock.now();
    await child.node.start();
  }

  async function stopAll(group: readonly Child[]): Promise<void> {
    const reversed = group.toReversed();
    // Those that fail alone need nothing of one another, so none waits for another's deadline.
    if (spec.strategy === "one_for_one") await Promise.all(reversed.map(stopChild));
    else for (const child of reversed) await stopChild(child);
  }

  async function stopChild(child: Child): Promise<void> {
    child.waiting?.cancel();
    child.waiting = undefined;
    await child.node.stop();
  }

  /** All that must end ends before anything starts: they may want the same file or port. */
  async function changeChildren(
    remove: readonly string[],
    replace: readonly WorkerSpec[],
    added: readonly Child[],
  ): Promise<void> {
    const gone = children.filter((child) => remove.includes(child.spec.id));
    const anew = replace.map((one) => children.find(({ spec: { id } }) => id === one.id) as Child);
    await Promise.all([...gone, ...anew].map(stopChild));
    for (const child of gone) {
      children.splice(children.indexOf(child), 1);
      child.node.dispose();
    }
    anew.forEach((child, i) => {
      const other = replace[i] as WorkerSpec;
      child.node.become(other);
      Object.assign(child, { spec: other, attempt: 0, lastError: null });
      child.generation++;
    });
    children.push(...added);
    if (state !== "running") return;
    for (const child of anew) child.restarts++;
    for (const child of [...anew, ...added]) {
      await startChild(child).catch((error) => childFailed(child, error));
    }
  }

  async function giveUp(child: Child, cause: DbusError): Promise<void> {
    if (state !== "running" && state !== "starting") return;
    state = "failed";
    await stopAll(children);
    const message = `${child.path} failed more than ${spec.intensity} times in ${spec.periodMs} ms`;
    onFailed(new DbusError("ACTOR_INTENSITY", `${message}: ${cause.message}`, { cause }));
  }

  return {
    start: () =>
      enqueue(async () => {
        state = "starting";
        failures = [];
        const started: Child[] = [];
        for (const child of children) {
          started.push(child);
          child.attempt = 0;
          try {
            await startChild(child);
          } catch (error) {
            state = "failed";
            await stopAll(started);
            throw error;
          }
        }
        state = "running";
      }),
    stop() {
      if (state === "running" || state === "starting") state = "stopping";
      return enqueue(async () => {
        await stopAll(children);
        state = "stopped";
      });
    },
    wake(target) {
      const index = children.findIndex(
        (child) => target === child.path || target.startsWith(`${child.path}/`),
      );
      const child = children[index];
      if (!child) return false;
      if (target !== child.path) return child.node.wake(target);
      if (!child.waiting) return false;
      void enqueue(() => restart(child, affected(child)));
      return true;
    },
    change(target, { remove, replace, add }) {
      if (target !== path) {
        const below = children.find((child) => `${target}/`.startsWith(`${child.path}/`));
        return below?.node.change(target, { remove, replace, add });
      }
      assert(spec.strategy === "one_for_one", "only children that are alone can be changed");
      const added = add.map(createChild);
      return enqueue(() => changeChildren(remove, replace, added));
    },
    become() {
      throw new DbusError("INVARIANT", "a supervisor keeps its spec");
    },
    dispose() {
      for (const child of children) child.node.dispose();
    },
    status: () => ({
      path,
      state,
      mailbox: { depth: 0, bytes: 0 },
      handled: 0,
      busyMs: 0,
      strategy: spec.strategy,
      children: children.map(childStatus),
    }),
  };
}

function childStatus(child: Child): NodeStatus {
  const status = child.node.status();
  const { restarts, lastError } = child;
  return { ...status, state: child.waiting ? "backoff" : status.state, restarts, lastError };
}

function backoffOf(child: ChildSpec, error: DbusError, backoff: BackoffPolicy): BackoffPolicy {
  const most = child.kind === "worker" && error.kind === "retry" ? child.retryMsMax : undefined;
  return most === undefined ? backoff : { ...backoff, maxMs: Math.min(backoff.maxMs, most) };
}
