import type { ClusterCheckpoints } from "#src/checkpoint/cluster-store.ts";
import { type Clock, sleep } from "#src/clock.ts";
import type { ClusterNode } from "#src/cluster/node-port.ts";
import type { ResourceRecord } from "#src/cluster/records.ts";
import type { Owned, ResourceHost } from "#src/cluster/resource-host.ts";
import { DbusError } from "#src/errors.ts";
import type { InputNode, Wiring } from "./wiring.ts";

/** What the cluster gives and takes, on the inputs of this process. */
export type ClusterHost = ResourceHost & {
  /** The inputs are others than before: what is ours already is given to those that are there now. */
  refresh(): void;
};

export type ClusterHostDeps = {
  readonly wiring: Wiring;
  readonly clock: Clock;
  /** Where positions of owned resources are kept; undefined where nobody else can own them. */
  readonly checkpoints: ClusterCheckpoints | undefined;
  /** How long a resource may take until something is read from it, before others are to try. */
  readonly openMs: number;
  readonly node: () => ClusterNode | undefined;
};

type Held = { readonly owned: Owned; node: InputNode };

/** Lets the cluster own the inputs of this process: an input reads while its resource is ours. */
export function createClusterHost(deps: ClusterHostDeps): ClusterHost {
  const { wiring, clock, checkpoints } = deps;
  const held = new Map<string, Held>();

  const find = ({ input, resource }: Pick<ResourceRecord, "input" | "resource">) =>
    wiring.inputs.find((node) => node.entry.name === input && node.resource.id === resource);

  const isHeld = (one: Held) => held.get(one.owned.rid) === one;

  function own(node: InputNode): void {
    node.tenure.owned = true;
    node.ref.signal({ kind: "owned" });
  }

  function disown(one: Held): void {
    const { tenure, ref, partitions } = one.node;
    if (isHeld(one)) held.delete(one.owned.rid);
    Object.assign(tenure, { owned: false, onAlive: undefined, onFailed: undefined });
    partitions.fence();
    checkpoints?.drop(partitions.key);
    ref.signal({ kind: "disowned" });
  }

  /** Resolves when something was read, or nothing speaks against it for long enough. */
  async function opened(one: Held): Promise<void> {
    const { tenure, stats } = one.node;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    tenure.onAlive = resolve;
    tenure.onFailed = (error) => {
      reject(error);
      return true;
    };
    own(one.node);
    const timer = clock.after(deps.openMs, () => {
      if (stats.note === null && (stats.state === "running" || stats.state === "paused")) resolve();
      else reject(new DbusError("CLUSTER_NOT_OPENED", stats.note ?? `it is ${stats.state}`));
    });
    await promise.finally(() => timer.cancel());
    tenure.onAlive = undefined;
    tenure.onFailed = (error) => {
      deps.node()?.renounce(one.owned.rid, error);
      return true;
    };
  }

  function lost(one: Held): void {
    if (isHeld(one)) return;
    throw new DbusError("ACTOR_UNAVAILABLE", "the resource was taken back while it was opened");
  }

  return {
    async open(owned, checkpoint) {
      const { input, resource } = owned.record;
      const node = find(owned.record);
      if (!node)
        throw new DbusError("CLUSTER_INPUT_UNKNOWN", `no input ${input} reads ${resource}`);
      const one: Held = { owned, node };
      held.set(owned.rid, one);
      if (!checkpoints) {
        own(node);
        return;
      }
      node.tenure.readerId = owned.record.readerId;
      const { partitions } = node;
      // What a former tenure left is discarded by now, but for a write that is under way.
      await partitions.drained(Number.POSITIVE_INFINITY);
      lost(one);
      partitions.renew({ fence: owned.fence, mayEmit: () => deps.node()?.mayEmit === true });
      checkpoints.adopt({ input, resource }, owned, checkpoint);
      try {
        await opened(one);
        lost(one);
      } catch (error) {
        if (isHeld(one)) disown(one);
        throw error;
      }
    },
    async close(rid, deadlineMs) {
      const one = held.get(rid);
      if (!one) return;
      const { tenure, partitions, stats, ref } = one.node;
      Object.assign(tenure, { owned: false, onAlive: undefined, onFailed: undefined });
      const released = ref.ask<void>((reply) => ({ kind: "release", deadlineMs, reply }));
      // An actor that waits for its next attempt has no run, but outputs may still have packets of it.
      // One that was stopped has waited for them, as has this process if nobody is to read it next.
      const isOver = () => checkpoints === undefined || stats.state === "stopped";
      const done = released.catch(() => isOver() || partitions.drained(deadlineMs));
      await Promise.race([done, sleep(clock, deadlineMs + 1_000)]);
      // While it drained the right to it may have been lost: then it was fenced, and ends with that.
      if (!isHeld(one)) return;
      held.delete(rid);
      checkpoints?.leave(partitions.key, partitions.dirty());
      if (checkpoints) partitions.fence();
    },
    fence(rid) {
      const one = held.get(rid);
      if (one) disown(one);
    },
    // Outputs ask before they write whether they may; they are told to ask again.
    pause() {},
    resume() {
      for (const { ref } of wiring.outputs) ref.signal({ kind: "emission" });
    },
    positions: (rid) => checkpoints?.positions(rid) ?? {},
    refresh() {
      for (const one of held.values()) {
        const node = find(one.owned.record);
        if (!node || node.tenure === one.node.tenure) continue;
        const { fence } = one.owned;
        if (checkpoints) {
          node.partitions.renew({ fence, mayEmit: () => deps.node()?.mayEmit === true });
        }
        Object.assign(node.tenure, one.node.tenure);
        one.node = node;
        own(node);
      }
    },
  };
}
