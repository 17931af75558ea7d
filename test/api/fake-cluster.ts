import type { ClusterPort, ClusterView } from "#src/api/cluster-port.ts";

const at = 1_790_000_000_000;

const view: ClusterView = {
  leader: { id: "p1", rpc: "10.0.0.1:9877" },
  ...{ epoch: 3, gen: 9, requested: null },
  participants: [
    {
      ...{ id: "p1", state: "online", leader: true, weight: 2, ownWeight: 1, cost: 1 },
      order: { drain: false, weight: 2, by: "ops (operate)", at },
      ...{
        tags: ["eu"],
        tenants: [],
        build: "0.1.0",
        proto: [1, 1],
        configVersion: 4,
        configRefused: null,
      },
      ...{ rpc: "10.0.0.1:9877", resources: 1 },
    },
  ],
  resources: [
    {
      ...{ id: "shop-mysql-1-x", input: "shop", resource: "mysql-1", cost: 1, group: null },
      ...{ tags: [], tenant: null, owner: "p1", state: "running", why: null, since: at, gen: 9 },
      ...{ failure: null, unreadSince: null },
      wish: { to: "p1", by: "ops (operate)" },
      checkpoint: { seq: 7, at, positions: { "0": '"bin.000001:4"' } },
    },
  ],
};

const decision = {
  ...{ gen: 9, epoch: 3, by: "p1", why: "1 assigned" },
  assign: { "shop-mysql-1-x": "p1" },
  revoke: {},
};

const version = { n: 4, sha256: "0123456789abcdef", by: "ops (admin)", at, of: null };

/** A cluster that answers with fixed things. */
export function fakeCluster(calls: unknown[]): ClusterPort {
  const done =
    (name: string) =>
    async (...args: readonly unknown[]) => {
      calls.push([name, ...args]);
      return { changed: true, resource: "shop-mysql-1-x" };
    };
  return {
    summary: async () => ({
      ...{ name: "default", connect: "zk1:2181/dbus", self: "p1", leader: "p1", epoch: 3, gen: 9 },
      trouble: null,
      session: { state: "connected", timeoutMs: 6_000, leaseLeftMs: 3_900 },
      ...{ participants: 1, resources: 1, unread: 0, quarantined: 0 },
    }),
    view: async () => view,
    decision: async () => decision,
    history: async () => [{ ...decision, at, asked: ["ops (operate): rebalance"], more: 0 }],
    plan: async () => ({ assign: {}, revoke: {}, orphans: {} }),
    rebalance: done("rebalance"),
    migrate: done("migrate"),
    drain: done("drain"),
    weight: done("weight"),
    forget: done("forget"),
    metrics: () => ({
      ...{ connected: true, leaseLeftMs: 3_900, epoch: 3, owned: 1 },
      ...{ decisions: 9, assigned: 12, moved: 4 },
      sight: {
        ...{ participants: 2, draining: 1, states: { running: 1, failed: 1 }, quarantined: 1 },
        unread: [{ id: "crm-mysql-2-x", input: "crm", resource: "mysql-2", ms: 1_500 }],
      },
    }),
    config: {
      versions: async () => [{ ...version, bytes: 9, current: true }],
      read: async (n) => ({ ...version, n: n ?? version.n, text: "inputs: []" }),
      push: async ({ text, dryRun }, by) => {
        calls.push(["push", text, by]);
        return { outcome: dryRun ? "dry-run" : "pushed", n: 5, warnings: [], restart: [] };
      },
      rollback: async (to, dryRun, by) => {
        calls.push(["rollback", to, by]);
        return { outcome: dryRun ? "dry-run" : "pushed", n: 5, warnings: [], restart: [] };
      },
    },
  };
}
