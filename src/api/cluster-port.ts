import type { ZkState } from "../clients/zookeeper/port.ts";
import type { ConfigDocument, ConfigVersion } from "../cluster/config-store.ts";
import type { LeaderSight } from "../cluster/monitor.ts";
import type { PushReport, SharedConfig } from "../cluster/operate/shared-config.ts";
import type {
  ClusterView,
  ParticipantView,
  PlanView,
  ResourceView,
} from "../cluster/operate/view.ts";
import type { DecisionRecord, PastDecision } from "../cluster/records.ts";

export type {
  ClusterView,
  ConfigDocument,
  ConfigVersion,
  DecisionRecord,
  ParticipantView,
  PastDecision,
  PlanView,
  PushReport,
  ResourceView,
  SharedConfig,
};

/** One cluster in a line. Where ZooKeeper cannot be asked, only what this process knows by itself. */
export type ClusterSummary = {
  readonly name: string;
  /** ZooKeeper's servers; null for a bus that runs alone, which is a cluster of one. */
  readonly connect: string | null;
  /** Who the process is that answers. */
  readonly self: string;
  readonly session: {
    readonly state: ZkState | "none";
    readonly timeoutMs: number | null;
    /** How long this process may believe that its session lives; null where it cannot end. */
    readonly leaseLeftMs: number | null;
  };
  /** Why this process takes no part, or cannot decide as the leader; null while all is well. */
  readonly trouble: { readonly code: string; readonly message: string } | null;
  readonly leader: string | null;
  readonly epoch: number | null;
  readonly gen: number | null;
  readonly participants: number | null;
  readonly resources: number | null;
  /** Resources that nobody reads now, and those of them that wait for a person. */
  readonly unread: number | null;
  readonly quarantined: number | null;
};

/**
 * What the admin API asks of the cluster. Every method throws `DbusError`: `CLUSTER_NONE` while
 * this process is in none, `NOT_FOUND`, `CLUSTER_REFUSED`, and what ZooKeeper answers.
 */
export type ClusterPort = {
  summary(): Promise<ClusterSummary>;
  view(): Promise<ClusterView>;
  decision(): Promise<DecisionRecord | null>;
  history(limit: number): Promise<readonly PastDecision[]>;
  plan(): Promise<PlanView>;
  /** `by` says who orders, for the records of the cluster. */
  rebalance(by: string): Promise<Changed>;
  /** `to` null takes the wish back. Answers with the resource's id. */
  migrate(
    resource: string,
    to: string | null,
    by: string,
  ): Promise<Changed & { readonly resource: string }>;
  drain(id: string, drain: boolean, by: string): Promise<Changed>;
  /** null: as the participant says itself. */
  weight(id: string, weight: number | null, by: string): Promise<Changed>;
  forget(id: string): Promise<Changed>;
  /** null for a bus that runs alone. */
  metrics(): ClusterMetrics | null;
  /** The configuration that participants take from the cluster. */
  readonly config: SharedConfig;
};

/** What a process knows of its cluster by itself. */
export type ClusterMetrics = {
  readonly connected: boolean;
  readonly leaseLeftMs: number;
  /** The epoch that it leads; null while another does. */
  readonly epoch: number | null;
  readonly owned: number;
  /** Decisions, resources given to somebody, resources taken to be moved, since its start. */
  readonly decisions: number;
  readonly assigned: number;
  readonly moved: number;
  /** What the leader sees; null for the others. */
  readonly sight: LeaderSight | null;
};

/** Whether anything is another than before. */
export type Changed = { readonly changed: boolean };
