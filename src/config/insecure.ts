import { isLoopback } from "./admin-address.ts";
import { insecureCluster } from "./cluster-hazards.ts";
import type { Config } from "./config.ts";

/**
 * Where a configuration does without a protection that is on by default (S5): a sentence each, for
 * the log of every start and for the status. Never holds a secret.
 */
export function insecureParts(config: Config): readonly string[] {
  const { admin, cluster, inputs, outputs } = config;
  const open = admin.enabled && admin.tls === undefined && !isLoopback(admin.host);
  return [
    ...(open ? [`admin: ${admin.host} is listened on without TLS (admin.insecure)`] : []),
    ...insecureCluster(cluster),
    ...[...inputs, ...outputs].flatMap(({ name, plugin, config }) => {
      return (plugin.insecure?.(config) ?? []).map((what) => `${name}: ${what}`);
    }),
  ];
}
