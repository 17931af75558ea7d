import type { ClusterMetrics, ClusterPort, ClusterSummary } from "#src/api/cluster-port.ts";
import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import type { Clock } from "#src/clock.ts";
import { DbusError } from "#src/errors.ts";
import { readDecision } from "../decision.ts";
import { readHistory } from "../history.ts";
import { leaseOf } from "../lease.ts";
import type { ClusterNode } from "../node-port.ts";
import { type LookSettings, lookAt, planOf } from "./look.ts";
import { forget, migrate, order, requestRebalance } from "./order.ts";
import { type ConfigCheck, createSharedConfig } from "./shared-config.ts";
import type { ClusterView } from "./view.ts";

/** What is asked of a node of a cluster. */
export type Member = Pick<
  ClusterNode,
  "pid" | "session" | "owned" | "epoch" | "monitor" | "trouble"
> & {
  readonly settings: LookSettings;
};

export type ClusterPortDeps = {
  readonly name: string;
  /** ZooKeeper's servers; null over a coordinator within this process. */
  readonly connect: string | null;
  /** This process in its cluster; undefined while it is starting. */
  readonly node: () => Member | undefined;
  readonly clock: Clock;
  /** What is to be known of a configuration before it may be shared. */
  readonly check: (text: string) => Promise<ConfigCheck>;
};

/** Answers for the admin API, from ZooKeeper itself: any participant can be asked. */
export function createClusterPort(deps: ClusterPortDeps): ClusterPort {
  const { clock } = deps;
  const session = (): ZkSession => {
    const found = deps.node()?.session ?? null;
    if (found === null) throw new DbusError("CLUSTER_NONE", "there is no membership at the moment");
    if (found.state === "connected") return found;
    throw new DbusError("ZOOKEEPER_UNREACHABLE", `the session is ${found.state}`);
  };
  const settings = (): LookSettings => deps.node()?.settings ?? { quarantineAfter: 1 };
  const shared = (): ZkSession => {
    if (deps.connect !== null) return session();
    throw new DbusError("CLUSTER_NONE", "this daemon is alone, and shares no configuration");
  };
  const who = (by: string) => ({ by, at: clock.wall() });
  return {
    async summary() {
      const isThere = deps.node()?.session?.state === "connected";
      return summaryOf(deps, isThere ? await lookAt(session(), settings()) : null);
    },
    view: async () => lookAt(session(), settings()),
    decision: async () => readDecision(session()),
    history: async (limit) => readHistory(session(), limit),
    plan: async () => planOf(session(), settings()),
    rebalance: async (by) => requestRebalance(session(), who(by)),
    migrate: async (resource, to, by) => migrate(session(), { resource, to }, who(by)),
    drain: async (id, drain, by) => order(session(), id, { drain }, who(by)),
    weight: async (id, weight, by) => order(session(), id, { weight }, who(by)),
    forget: async (id) => forget(session(), id),
    metrics: () => metricsOf(deps),
    config: createSharedConfig({ session: shared, check: deps.check, wall: () => clock.wall() }),
  };
}

function summaryOf(deps: ClusterPortDeps, view: ClusterView | null): ClusterSummary {
  const { name, connect, clock } = deps;
  const node = deps.node();
  const session = node?.session ?? null;
  const trouble = node?.trouble;
  const isEndless = session !== null && !Number.isFinite(session.timeoutMs);
  const count = (wanted: (view: ClusterView) => number) => (view ? wanted(view) : null);
  return {
    ...{ name, connect, self: node?.pid ?? "" },
    trouble: trouble ? { code: trouble.code, message: trouble.message } : null,
    session: {
      state: session?.state ?? "none",
      timeoutMs: session && !isEndless ? session.timeoutMs : null,
      leaseLeftMs: session && !isEndless ? Math.round(leaseOf(session, clock).leftMs) : null,
    },
    leader: view?.leader?.id ?? null,
    epoch: view?.epoch ?? null,
    gen: view?.gen ?? null,
    participants: count((all) => all.participants.filter(({ state }) => state !== "gone").length),
    resources: count((all) => all.resources.length),
    unread: count((all) => all.resources.filter(({ state }) => state !== "running").length),
    quarantined: count((all) => all.resources.filter((one) => one.failure?.quarantined).length),
  };
}

/** Without asking anybody: a scrape must not cost ZooKeeper anything. */
function metricsOf({ connect, node: find, clock }: ClusterPortDeps): ClusterMetrics | null {
  const node = find();
  if (connect === null || !node) return null;
  const { session, monitor, epoch, owned } = node;
  const { decisions, assigned, moved } = monitor;
  return {
    connected: session?.state === "connected",
    leaseLeftMs: session ? leaseOf(session, clock).leftMs : 0,
    epoch,
    owned: owned.length,
    ...{ decisions, assigned, moved },
    sight: monitor.sight(),
  };
}
