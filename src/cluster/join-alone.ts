import type { Clock } from "#src/clock.ts";
import type { Log } from "#src/log.ts";
import { createEmbeddedCoordinator } from "./embedded/embedded-coordinator.ts";
import { memoryOfEpoch } from "./identity.ts";
import { startClusterNode } from "./node.ts";
import type { ClusterNode, NodeSettings } from "./node-port.ts";
import type { ResourceRecord } from "./records.ts";
import type { ResourceHost } from "./resource-host.ts";

export type JoinAloneOptions = {
  readonly host: ResourceHost;
  readonly resources: readonly ResourceRecord[];
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly drainMs: number;
};

/** The name of a process that runs alone. */
const pid = "self";

/** Nobody else is waited for, asked, or told. */
const aloneSettings: Omit<NodeSettings, "drainMs"> = {
  ...{ commitEveryMs: null, lookAfterMs: 0, calmAfterMs: 0 },
  reconcileEveryMs: Number.POSITIVE_INFINITY,
  ...{
    debounceMs: 0,
    claimTimeoutMs: 60_000,
    closeTimeoutMs: Number.POSITIVE_INFINITY,
    quarantineAfter: 1,
  },
  ...{ onCoordinatorLost: "continue", promiseMs: 0 },
};

/**
 * The cluster of a process that runs alone: the same as that of many, over a coordinator within
 * this process. It owns all of its resources from its first turns on.
 */
export function joinAlone({ drainMs, log, ...given }: JoinAloneOptions): ClusterNode {
  let ids = 0;
  return startClusterNode({
    ...given,
    ...{ pid, rpc: null, openSession: createEmbeddedCoordinator(given.clock).open },
    profile: { weight: 1, tags: [], tenants: [], proto: [1, 1], build: "", configVersion: 0 },
    memory: memoryOfEpoch(),
    newId: () => String(++ids),
    // That it leads itself is no news.
    log: { ...log, info() {} },
    settings: { ...aloneSettings, drainMs },
    ring() {},
    askLost: () => Promise.reject(new Error("there is nobody to ask")),
    hasEnded: async () => false,
  });
}
