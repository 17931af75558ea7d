import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { systemClock } from "#src/clock.ts";
import { createEmbeddedCoordinator } from "#src/cluster/embedded/embedded-coordinator.ts";
import { memoryOfEpoch } from "#src/cluster/identity.ts";
import { createMonitor } from "#src/cluster/monitor.ts";
import { startClusterNode } from "#src/cluster/node.ts";
import type { ClusterNode, NodeDeps } from "#src/cluster/node-port.ts";
import type { Member } from "#src/cluster/operate/cluster-port.ts";
import type { ParticipantRecord, ResourceRecord } from "#src/cluster/records.ts";
import type { ResourceHost } from "#src/cluster/resource-host.ts";
import type { DbusError } from "#src/errors.ts";
import { silentLog } from "#src/log.ts";
import { waitFor } from "./wait-for.ts";

/** Several nodes of one cluster in this process, over one coordinator. */
export type TestCluster = {
  /** A session of somebody who only looks and orders. */
  readonly session: ZkSession;
  /** The same, as a daemon has it. */
  readonly member: Member;
  /** The same that the nodes have, for who joins by himself. */
  start(pid: string, profile?: Partial<NodeDeps["profile"]>): ClusterNode;
  /** Ends a node as a crash would: its session ends with it, and nothing is given away. */
  crash(pid: string): Promise<void>;
  stop(pid: string): Promise<void>;
  /** Who reads what by now, by the name of the input. */
  readonly reading: ReadonlyMap<string, string>;
  /** What a resource throws when it is opened, by the name of its input. */
  readonly failures: Map<string, DbusError>;
  close(): Promise<void>;
};

const profile: NodeDeps["profile"] = {
  ...{ weight: 1, tags: [], tenants: [], proto: [1, 1], build: "1.0.0", configVersion: 0 },
} satisfies Omit<ParticipantRecord, "inc" | "rpc" | "state">;

export const resourceOf = (input: string, more: Partial<ResourceRecord> = {}): ResourceRecord => ({
  ...{ input, resource: "r", cost: 1, group: null, tags: [], tenant: null },
  ...more,
});

export async function createTestCluster(
  resources: readonly ResourceRecord[],
  settings: Partial<NodeDeps["settings"]> = {},
): Promise<TestCluster> {
  const coordinator = createEmbeddedCoordinator(systemClock);
  const session = coordinator.open();
  await waitFor(() => session.state === "connected", { what: "a session" });
  const nodes = new Map<string, { node: ClusterNode; sessions: ZkSession[] }>();
  const reading = new Map<string, string>();
  const failures = new Map<string, DbusError>();
  let ids = 0;

  function hostOf(pid: string): ResourceHost {
    const held = new Map<string, string>();
    let position = 0;
    const drop = (rid: string) => {
      const input = held.get(rid);
      held.delete(rid);
      if (input !== undefined && reading.get(input) === pid) reading.delete(input);
    };
    return {
      async open({ rid, record }) {
        const failure = failures.get(record.input);
        if (failure) throw failure;
        held.set(rid, record.input);
        reading.set(record.input, pid);
      },
      async close(rid) {
        drop(rid);
      },
      fence: drop,
      pause: () => {},
      resume: () => {},
      positions: () => ({ "0": String(++position) }),
    };
  }

  const member: Member = {
    trouble: null,
    ...{ pid: "looker", session, owned: [], epoch: null, settings: { quarantineAfter: 2 } },
    monitor: createMonitor(systemClock, { quarantineAfter: 2 }),
  };
  return {
    ...{ session, member, reading, failures },
    start(pid, more = {}) {
      const sessions: ZkSession[] = [];
      const node = startClusterNode({
        ...{ pid, rpc: null, host: hostOf(pid), resources, memory: memoryOfEpoch() },
        profile: { ...profile, ...more },
        openSession() {
          const opened = coordinator.open();
          sessions.push(opened);
          // The lease of a session that never ends is of no length that a timer could wait.
          return Object.create(opened, { timeoutMs: { value: 6_000 } }) as ZkSession;
        },
        ...{ clock: systemClock, random: Math.random, log: silentLog, ring: () => {} },
        newId: () => `id${String(++ids).padStart(6, "0")}`,
        askLost: () => Promise.reject(new Error("nobody to ask")),
        hasEnded: async () => false,
        settings: {
          ...{ drainMs: 100, commitEveryMs: 20, reconcileEveryMs: 200, debounceMs: 10 },
          calmAfterMs: 0,
          lookAfterMs: 5,
          ...{ claimTimeoutMs: 5_000, closeTimeoutMs: 5_000, quarantineAfter: 2 },
          ...{ onCoordinatorLost: "auto", promiseMs: 2_000, ...settings },
        },
      });
      nodes.set(pid, { node, sessions });
      return node;
    },
    async crash(pid) {
      const { node, sessions } = nodes.get(pid) ?? {};
      nodes.delete(pid);
      const ended = node?.stop(0);
      for (const one of sessions ?? []) await one.close();
      await ended;
    },
    async stop(pid) {
      const { node } = nodes.get(pid) ?? {};
      nodes.delete(pid);
      await node?.stop(5_000);
    },
    async close() {
      await Promise.all([...nodes.values()].map(({ node }) => node.stop(0)));
      await session.close();
    },
  };
}
