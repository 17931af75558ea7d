import { systemClock } from "../clock.ts";
import type { ConfigDocument, ConfigVersion } from "../cluster/config-store.ts";
import { openCluster } from "../cluster/operate/open-cluster.ts";
import {
  type ConfigCheck,
  createSharedConfig,
  type PushReport,
  type SharedConfig,
} from "../cluster/operate/shared-config.ts";
import type { Client } from "./client.ts";
import { clusterAccess } from "./cluster-access.ts";

/** The shared configuration through a daemon, which checks what it is given as it would its own. */
export function throughDaemon(client: Client): SharedConfig {
  const root = "/api/v1/cluster/config";
  return {
    versions: () => client.get<readonly ConfigVersion[]>(root),
    read: (n) => client.get<ConfigDocument>(`${root}/${n ?? "current"}`),
    push: (request) => client.send<PushReport>("POST", root, request),
    rollback: (to, dryRun) => client.send<PushReport>("POST", `${root}/rollback`, { to, dryRun }),
  };
}

export type DirectOptions = {
  readonly connect: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly check: (text: string) => Promise<ConfigCheck>;
};

/** The same without any daemon, as before the first one starts. */
export async function withZookeeper<T>(
  { connect, env, check }: DirectOptions,
  work: (config: SharedConfig) => Promise<T>,
): Promise<T> {
  const around = { clock: systemClock, random: Math.random };
  const session = await openCluster(clusterAccess(connect, env), around);
  try {
    const wall = () => systemClock.wall();
    return await work(createSharedConfig({ session: () => session, check, wall }));
  } finally {
    await session.close(1_000);
  }
}
