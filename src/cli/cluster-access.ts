import { readFileSync } from "node:fs";
import { parseZkAddress } from "../clients/zookeeper/address.ts";
import type { ClusterAccess } from "../cluster/operate/open-cluster.ts";
import { DbusError, toDbusError } from "../errors.ts";

export const clusterAccessHelp = `The variables DBUS_CLUSTER_NAME, DBUS_CLUSTER_AUTH (user:password) and DBUS_CLUSTER_CA (a file of
PEM; it means TLS) say what else is to be known of the cluster, until its configuration is read.
`;

/**
 * How to reach a cluster before any configuration is known: the servers from the command line, and
 * the rest from the environment, where no other user of the machine sees it. Throws USAGE.
 */
export function clusterAccess(
  connect: string,
  env: Readonly<Record<string, string | undefined>>,
): ClusterAccess {
  try {
    parseZkAddress(connect);
  } catch (thrown) {
    const { message, remedy } = toDbusError(thrown);
    throw new DbusError("USAGE", `--cluster: ${message}`, { remedy });
  }
  const name = env.DBUS_CLUSTER_NAME || "default";
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) {
    throw new DbusError("USAGE", "DBUS_CLUSTER_NAME is no name of a cluster", {
      remedy: "1 to 64 of a-z 0-9 . _ - and it starts with a letter or digit",
    });
  }
  const auth = env.DBUS_CLUSTER_AUTH || undefined;
  if (auth !== undefined && !/^[^:\s]+:.+$/.test(auth)) {
    throw new DbusError("USAGE", "DBUS_CLUSTER_AUTH is not user:password");
  }
  return { connect, name, auth, tls: tlsOf(env.DBUS_CLUSTER_CA), sessionTimeoutMs: 6_000 };
}

function tlsOf(file: string | undefined): ClusterAccess["tls"] {
  if (!file) return false;
  try {
    return { ca: readFileSync(file, "utf8") };
  } catch (cause) {
    const message = `DBUS_CLUSTER_CA: the file ${file} cannot be read`;
    throw new DbusError("USAGE", message, { cause, remedy: "name a file of PEM" });
  }
}
