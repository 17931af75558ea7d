import type { ClusterMetrics } from "./api/cluster-port.ts";
import type { Add } from "./metric-sample.ts";

const one = (value: number) => [{ labels: {}, value }];

/**
 * What a participant tells of its cluster: of itself always, of all the others while it leads, so
 * that nobody has to be asked for a scrape. Sums over all participants are right.
 */
export function addCluster(cluster: ClusterMetrics, add: Add): void {
  const { connected, leaseLeftMs, epoch, owned, sight } = cluster;
  add("gauge", "cluster_connected", "1 with a session of ZooKeeper.", one(connected ? 1 : 0));
  const lease = "How long it may go on without a word from ZooKeeper.";
  add("gauge", "cluster_lease_seconds", lease, one(leaseLeftMs / 1000));
  add("gauge", "cluster_leader", "1 while it leads.", one(epoch === null ? 0 : 1));
  add("gauge", "cluster_owned_resources", "Resources that it reads.", one(owned));
  add("counter", "cluster_decisions_total", "Decisions that it made.", one(cluster.decisions));
  const assigned = "Resources that it gave to somebody.";
  add("counter", "cluster_assigned_total", assigned, one(cluster.assigned));
  const moved = "Resources that it took from their owners, to be moved.";
  add("counter", "cluster_moved_total", moved, one(cluster.moved));
  add("gauge", "cluster_epoch", "Of the leader that tells it.", epoch === null ? [] : one(epoch));
  const seen = sight ? one : () => [];
  const live = "Participants that are there, as the leader sees it.";
  add("gauge", "cluster_participants", live, seen(sight?.participants ?? 0));
  add("gauge", "cluster_draining", "Those that give all away.", seen(sight?.draining ?? 0));
  const states = Object.entries(sight?.states ?? {}).map(([state, value]) => {
    return { labels: { state }, value };
  });
  add("gauge", "cluster_resources", "Resources in each state, as the leader sees it.", states);
  const stuck = "Resources that wait for a person.";
  add("gauge", "cluster_quarantined", stuck, seen(sight?.quarantined ?? 0));
  const unread = (sight?.unread ?? []).map(({ id, input, resource, ms }) => {
    return { labels: { id, input, resource }, value: ms / 1000 };
  });
  const standing = "How long nobody reads it, as the leader has seen it.";
  add("gauge", "cluster_unread_seconds", standing, unread);
}
