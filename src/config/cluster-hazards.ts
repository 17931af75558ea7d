import { parseZkAddress } from "../clients/zookeeper/address.ts";
import { isLoopback } from "./admin-address.ts";
import type { ClusterConfig } from "./config.ts";
import { problemAt, type Reading } from "./entries.ts";
import type { Problem } from "./problem.ts";

const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(":"));

/** Whether every server of ZooKeeper is on this machine. */
function isLocal({ connect }: ClusterConfig): boolean {
  return parseZkAddress(connect).hosts.every(({ host }) => isLoopback(host));
}

/** What cannot work, or not as it is likely to be meant, though each field by itself is right. */
export function unsafeCluster(
  cluster: ClusterConfig | undefined,
  reading: Pick<Reading, "placeOf">,
): readonly Problem[] {
  if (!cluster) return [];
  const { key, rpc, tls } = cluster;
  const problems: Problem[] = [];
  const isOpen = !isLoopback(hostOf(rpc.listen));
  if (isOpen && key === undefined) {
    const message = `${rpc.listen} can be reached from other machines, and there is no cluster.key`;
    const remedy = "set cluster.key to one secret for all participants: ${file:/run/secrets/key}";
    problems.push(problemAt(reading, ["cluster", "rpc", "listen"], message, remedy));
  }
  if (typeof tls === "object" && (tls.cert === undefined) !== (tls.key === undefined)) {
    const remedy = "write both, or neither where the servers want no certificate";
    problems.push(problemAt(reading, ["cluster", "tls"], "cert and key go together", remedy));
  }
  if (!isOpen && key !== undefined && rpc.advertise === undefined && !isLocal(cluster)) {
    const message = `participants on other machines cannot reach ${rpc.listen}`;
    const remedy = "set cluster.rpc.listen to an address of this machine that they can reach";
    const problem = problemAt(reading, ["cluster", "rpc", "listen"], message, remedy);
    problems.push({ ...problem, severity: "warning" });
  }
  return problems;
}

/** Where the cluster does without a protection, a sentence each; never holds a secret. */
export function insecureCluster(cluster: ClusterConfig | undefined): readonly string[] {
  if (!cluster || isLocal(cluster)) return [];
  const { auth, tls } = cluster;
  return [
    ...(auth === undefined ? ["cluster: anybody may change the nodes (no cluster.auth)"] : []),
    ...(auth !== undefined && tls === false
      ? ["cluster: the password goes to ZooKeeper in the clear (no cluster.tls)"]
      : []),
  ];
}
