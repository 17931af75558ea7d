import { parseZkAddress, type ZkAddress } from "#src/clients/zookeeper/address.ts";
import { creatorOnly, openZookeeper } from "#src/clients/zookeeper/open-zookeeper.ts";
import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import type { ZkReason } from "#src/clients/zookeeper/zk-error.ts";
import { ZkError } from "#src/clients/zookeeper/zk-error.ts";
import { type Clock, sleep } from "#src/clock.ts";
import type { ClusterConfig } from "#src/config/config.ts";
import { again } from "../again.ts";
import { createIfMissing } from "../register-resources.ts";

/** What it takes to reach a cluster's nodes. */
export type ClusterAccess = Pick<
  ClusterConfig,
  "connect" | "name" | "auth" | "tls" | "sessionTimeoutMs"
>;

export type AccessOptions = { readonly clock: Clock; readonly random: () => number };

/** A session whose root is the cluster's. It does not wait for ZooKeeper. */
export function clusterSession(access: ClusterAccess, options: AccessOptions): ZkSession {
  const { hosts, chroot } = parseZkAddress(access.connect);
  return open({ hosts, chroot: `${chroot}/${access.name}` }, access, options);
}

/**
 * Makes the nodes down to the cluster's root, whoever comes first, and opens a session there.
 * Throws ZOOKEEPER_UNREACHABLE when no server answers in time, and what else they answer.
 */
export async function openCluster(
  access: ClusterAccess,
  options: AccessOptions,
  waitMs = 10_000,
): Promise<ZkSession> {
  const { hosts, chroot } = parseZkAddress(access.connect);
  const names = `${chroot}/${access.name}`.split("/").slice(1);
  const top = open({ hosts, chroot: "" }, access, options);
  try {
    await connected(top, options.clock, waitMs);
    for (let depth = 1; depth <= names.length; depth++) {
      const path = `/${names.slice(0, depth).join("/")}`;
      await again(options.clock, () => createIfMissing(top, path, new Uint8Array(0)));
    }
  } finally {
    await top.close(1_000);
  }
  return clusterSession(access, options);
}

function open(address: ZkAddress, access: ClusterAccess, around: AccessOptions): ZkSession {
  const { auth, tls, sessionTimeoutMs } = access;
  return openZookeeper({
    ...{ address, sessionTimeoutMs, ...around },
    tls: tls === false ? undefined : tls === true ? {} : tls,
    ...(auth === undefined ? {} : { digest: auth, acl: creatorOnly }),
  });
}

async function connected(session: ZkSession, clock: Clock, waitMs: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = () => {
    const { state } = session;
    if (state === "connected") resolve();
    const reason: ZkReason | undefined = state === "denied" ? "auth_failed" : undefined;
    if (reason) reject(new ZkError(reason, "ZooKeeper refuses user and password"));
  };
  const off = session.onState(look);
  look();
  const abort = new AbortController();
  const late = sleep(clock, waitMs, abort.signal).then(() => {
    throw new ZkError("unreachable", `no server of ZooKeeper answers within ${waitMs} ms`);
  });
  await Promise.race([promise, late]).finally(() => {
    off();
    abort.abort();
    late.catch(() => {});
  });
}
