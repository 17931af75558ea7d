import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { parseZkAddress, type ZkAddress } from "#src/clients/zookeeper/address.ts";
import { creatorOnly, openZookeeper } from "#src/clients/zookeeper/open-zookeeper.ts";
import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { openZookeeperThread } from "#src/clients/zookeeper/worker/open-zookeeper-thread.ts";
import type { Clock } from "#src/clock.ts";
import type { ClusterConfig } from "#src/config/config.ts";
import type { Log } from "#src/log.ts";
import { again } from "./again.ts";
import { keptPromise } from "./kept-promise.ts";
import type { LocalLog } from "./local-log.ts";
import { keptMaxEpoch } from "./max-epoch.ts";
import { startClusterNode } from "./node.ts";
import type { ClusterNode, NodeSettings } from "./node-port.ts";
import { persistedId } from "./participant-id.ts";
import type { ResourceRecord } from "./records.ts";
import { createIfMissing } from "./register-resources.ts";
import type { ResourceHost } from "./resource-host.ts";
import { createRpcClient } from "./rpc/create-rpc-client.ts";
import { answerMs } from "./rpc/messages.ts";
import { refuses } from "./rpc/refuses.ts";
import { startRpcServer } from "./rpc/start-rpc-server.ts";

export type JoinClusterOptions = {
  readonly cluster: ClusterConfig;
  readonly stateDir: string;
  readonly host: ResourceHost;
  readonly resources: readonly ResourceRecord[];
  readonly localLog: LocalLog;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** The version of this dbus, for people. */
  readonly build: string;
};

/** Protocol versions that this dbus speaks. */
export const protocol = [1, 1] as const;

/** Sorted by time, so that what was made later stands later. */
const newId = (): string =>
  `${Date.now().toString(36).padStart(9, "0")}${randomUUID().slice(0, 13)}`;

/**
 * Joins a cluster of several processes. It does not wait for ZooKeeper: whether that is there is
 * seen by and by. Throws STATE_CORRUPT and STATE_UNWRITABLE when it does not know who it is, and
 * CLUSTER_RPC_UNSAFE and CLUSTER_RPC_LISTEN when the others could not call it.
 */
export async function joinCluster(options: JoinClusterOptions): Promise<ClusterNode> {
  const { cluster, stateDir, clock, random } = options;
  const log = options.log.with({ cluster: cluster.name });
  const pid = cluster.id ?? persistedId(stateDir, newId);
  const warn = (error: unknown) => log.warn("the newest epoch is only kept in memory", { error });
  const root = parseZkAddress(cluster.connect);
  const address = { hosts: root.hosts, chroot: `${root.chroot}/${cluster.name}` };
  const open = (at: ZkAddress, how = openZookeeper): ZkSession =>
    how({ ...connection(cluster), address: at, clock, random });
  const { name: clusterId, key } = cluster;
  let node: ClusterNode | undefined;
  const handlers = {
    doorbell: () => node?.doorbell(),
    lost: () => node?.lost() ?? { lost: false, known: [] },
  };
  const listen = hostAndPort(cluster.rpc.listen);
  const server = await startRpcServer({
    ...{ listen, tls: cluster.rpc.tls, key, clusterId, pid, handlers, log, clock },
  });
  const { tls, ca, advertise = reachable(server.address) } = cluster.rpc;
  const client = createRpcClient({
    ...{ key, clusterId, pid, clock, log, tls: tls === undefined ? undefined : { ca } },
  });
  node = startClusterNode({
    ...{ pid, rpc: advertise, clock, random, log, newId },
    ...{ host: options.host, resources: options.resources, localLog: options.localLog },
    // An event loop that stands still is no reason to lose what is owned.
    openSession: () => open(address, openZookeeperThread),
    beforeJoin: (signal) =>
      makeRoot(open({ hosts: root.hosts, chroot: "" }), address.chroot, { clock, signal }),
    profile: {
      ...{ weight: cluster.weight, tags: cluster.tags, tenants: cluster.tenants },
      ...{ proto: [...protocol], build: options.build, configVersion: 0 },
    },
    memory: keptMaxEpoch(stateDir, warn),
    promised: keptPromise(stateDir),
    settings: settingsOf(cluster),
    ring: client.ring,
    askLost: client.askLost,
    hasEnded: (rpc) => refuses(rpc, clock, answerMs),
  });
  void node.ended.then(() => server.stop());
  return node;
}

function hostAndPort(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(":");
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

/** Where others reach what listens on every address of this machine: by its name. */
function reachable(address: string): string {
  return address.replace(/^(0\.0\.0\.0|\[::\])(?=:\d+$)/, hostname());
}

function connection({ sessionTimeoutMs, auth, tls }: ClusterConfig) {
  return {
    sessionTimeoutMs,
    tls: tls === false ? undefined : tls === true ? {} : tls,
    ...(auth === undefined ? {} : { digest: auth, acl: creatorOnly }),
  };
}

/** How a participant of this configuration decides and waits. */
function settingsOf(cluster: ClusterConfig): NodeSettings {
  const { drainMs, onCoordinatorLost, sessionTimeoutMs, rebalance } = cluster;
  const { movesMax, gainMin, debounceMs, rejoinDelayMs } = rebalance;
  return {
    ...{ drainMs, debounceMs, rejoinDelayMs, onCoordinatorLost },
    ...{ commitEveryMs: null, lookAfterMs: 10, reconcileEveryMs: 30_000 },
    calmAfterMs: 60_000,
    claimTimeoutMs: Math.max(10_000, 2 * sessionTimeoutMs),
    // Half of it is for who sees late that something is taken from it.
    closeTimeoutMs: 2 * drainMs + 10_000,
    ...{ quarantineAfter: 3, promiseMs: 3_000 },
    policy: { gainMin, ...(movesMax === undefined ? {} : { movesMax }) },
  };
}

/** The nodes above those of the cluster, whoever comes first. */
async function makeRoot(
  session: ZkSession,
  path: string,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  signal.addEventListener("abort", () => void session.close(0), { once: true });
  try {
    const names = path.split("/").slice(1);
    for (let depth = 1; depth <= names.length; depth++) {
      const above = `/${names.slice(0, depth).join("/")}`;
      await again(clock, () => createIfMissing(session, above, new Uint8Array(0)));
    }
  } finally {
    await session.close(0);
  }
}
