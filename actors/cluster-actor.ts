import { defineActor } from "#src/actor/actor.ts";
import type { ClusterNode } from "#src/cluster/node-port.ts";
import type { DbusError } from "#src/errors.ts";

export type ClusterMessage = { readonly kind: "ended"; readonly error: DbusError };

/** Where whoever needs the node finds it; another one after each restart of its actor. */
export type ClusterHandle = { node: ClusterNode | undefined };

export type ClusterDeps = {
  readonly handle: ClusterHandle;
  /** Joins the cluster: that of several processes, or the one of this process alone. */
  readonly join: () => Promise<ClusterNode> | ClusterNode;
  /** How long the resources may deliver what is in flight when this process leaves. */
  readonly leaveMs: number;
};

type State = ClusterDeps & { readonly node: ClusterNode };

/** Keeps this process in its cluster: as a participant, and as its leader when it is its turn. */
export const clusterActor = defineActor<ClusterDeps, State, ClusterMessage>({
  name: "cluster",
  async init(deps, self) {
    const node = await deps.join();
    deps.handle.node = node;
    void node.ended.then((error) => {
      if (error) self.signal({ kind: "ended", error });
    });
    return { ...deps, node };
  },
  receive(_, message, self) {
    self.fail(message.error);
    return undefined;
  },
  async stop({ node, handle, leaveMs }) {
    await node.stop(leaveMs);
    handle.node = undefined;
  },
  abandon({ node, handle }) {
    handle.node = undefined;
    void node.stop(0);
  },
});
