import type { ClusterPort } from "#src/api/cluster-port.ts";
import {
  type ClusterCheckpoints,
  createClusterCheckpoints,
} from "#src/checkpoint/cluster-store.ts";
import type { CheckpointOwner, CheckpointStore } from "#src/checkpoint/store.ts";
import type { Clock } from "#src/clock.ts";
import { joinAlone } from "#src/cluster/join-alone.ts";
import type { LocalLog } from "#src/cluster/local-log.ts";
import type { ClusterNode } from "#src/cluster/node-port.ts";
import { createClusterPort } from "#src/cluster/operate/cluster-port.ts";
import type { ConfigCheck } from "#src/cluster/operate/shared-config.ts";
import type { Config } from "#src/config/config.ts";
import { DbusError } from "#src/errors.ts";
import type { Log } from "#src/log.ts";
import packageJson from "../package.json" with { type: "json" };
import type { ClusterHandle } from "./cluster-actor.ts";
import { createClusterHost } from "./cluster-host.ts";
import { sharedResources } from "./nodes.ts";
import type { Wiring } from "./wiring.ts";

export type MembershipOptions = {
  readonly config: Config;
  readonly wiring: Wiring;
  /** Those of this process by itself. */
  readonly checkpoints: CheckpointStore;
  readonly localLog: LocalLog;
  /** What is to be known of a configuration before others may be given it. */
  readonly check?: (text: string) => Promise<ConfigCheck>;
  readonly clock: Clock;
  readonly random?: () => number;
  readonly log: Log;
};

/** How this bus takes part in its cluster: that of the configuration, or one of it alone. */
export type BusMembership = {
  readonly handle: ClusterHandle;
  /** Where checkpoints are kept. */
  readonly checkpoints: CheckpointStore;
  join(): Promise<ClusterNode>;
  /** The graph is another: other resources may be wanted, and other nodes read those that are ours. */
  rewired(): void;
  /** What the admin API shows of it, and what operators may order. */
  readonly port: ClusterPort;
  /**
   * Gives back what is owned while everything still runs, so that others have it the sooner. Answers
   * with an error when not all of it could be given back.
   */
  leave(): Promise<DbusError | undefined>;
};

/** How long a resource may take until something is read from it. */
const openMs = 15_000;

export function createMembership(options: MembershipOptions): BusMembership {
  const { config, wiring, check = noCheck, clock, log, random = Math.random } = options;
  const handle: ClusterHandle = { node: undefined };
  const node = () => handle.node;
  const shared = config.cluster ? sharedCheckpoints(options, handle) : undefined;
  const host = createClusterHost({ wiring, clock, checkpoints: shared, openMs, node });
  const given = () => ({ host, resources: sharedResources(wiring.config), clock, random, log });
  const { cluster, bus, state } = config;
  return {
    handle,
    checkpoints: shared ?? options.checkpoints,
    async join() {
      if (!cluster) return joinAlone({ ...given(), drainMs: bus.stopDeadlineMs });
      // What talks to ZooKeeper and to the others is loaded by who has others.
      const { joinCluster } = await import("#src/cluster/join-cluster.ts");
      const { localLog } = options;
      const build = packageJson.version;
      return joinCluster({ ...given(), localLog, cluster, stateDir: state.dir, build });
    },
    rewired() {
      host.refresh();
      handle.node?.setResources(sharedResources(wiring.config));
    },
    port: createClusterPort({
      name: cluster?.name ?? "alone",
      connect: cluster?.connect ?? null,
      ...{ node, check },
      clock,
    }),
    async leave() {
      const unsettled = cluster ? ((await handle.node?.stop(cluster.drainMs)) ?? []) : [];
      if (unsettled.length === 0) return undefined;
      const text = "resources could not be given back with their last commit";
      const error = new DbusError("STOP_DEADLINE", text);
      log.error(`${text}; who has them next repeats a little`, { error, resources: unsettled });
      return error;
    },
  };
}

function noCheck(): Promise<ConfigCheck> {
  throw new DbusError("CLUSTER_REFUSED", "this process cannot check configurations");
}

function sharedCheckpoints(
  { wiring, checkpoints: local, clock }: MembershipOptions,
  handle: ClusterHandle,
): ClusterCheckpoints {
  const isShared = ({ input }: CheckpointOwner) => {
    const entry = wiring.config.inputs.find(({ name }) => name === input);
    return entry !== undefined && entry.plugin.everywhere !== true;
  };
  const commit = async (rid: string) => {
    const { node } = handle;
    if (!node) throw new DbusError("ACTOR_UNAVAILABLE", "not a member of the cluster now");
    await node.commit(rid);
  };
  return createClusterCheckpoints({ local, clock, isShared, commit });
}
