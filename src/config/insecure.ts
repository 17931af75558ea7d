import { isLoopback } from "./admin-address.ts";
import type { Config } from "./config.ts";

/**
 * Where a configuration does without a protection that is on by default (S5): a sentence each, for
 * the log of every start and for the status. Never holds a secret.
 */
export function insecureParts({ admin, inputs, outputs }: Config): readonly string[] {
  const open = admin.enabled && admin.tls === undefined && !isLoopback(admin.host);
  return [
    ...(open ? [`admin: ${admin.host} is listened on without TLS (admin.insecure)`] : []),
    ...[...inputs, ...outputs].flatMap(({ name, plugin, config }) => {
      return (plugin.insecure?.(config) ?? []).map((what) => `${name}: ${what}`);
    }),
  ];
}
