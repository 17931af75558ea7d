import { type Clock, systemClock } from "../clock.ts";
import { type ConfigFollower, followConfig } from "../cluster/config-follower.ts";
import { type ConfigDocument, currentConfig } from "../cluster/config-store.ts";
import { clusterSession, openCluster } from "../cluster/operate/open-cluster.ts";
import { persistedId } from "../cluster/participant-id.ts";
import type { Config } from "../config/config.ts";
import type { LoadOptions } from "../config/load.ts";
import { loadShared } from "../config/load-shared.ts";
import type { Loaded } from "../config/loaded.ts";
import { DbusError } from "../errors.ts";
import type { Log } from "../log.ts";
import { clusterAccess } from "./cluster-access.ts";
import type { TriggeredDaemon } from "./reload-triggers.ts";

/** The configuration of a dbusd that has none of its own: it takes the cluster's. */
export type ClusterSource = {
  /** How it is called where a file would be named. */
  readonly file: string;
  /** As it is to be loaded, now and at each reload. */
  readonly options: LoadOptions;
  /** Reads the version that is to count next; at first the one that counted at the start. */
  load(): Promise<Loaded>;
  /** Follows what is pushed from now on. */
  follow(config: Config, daemon: TriggeredDaemon, log: Log): ConfigFollower;
};

export type ClusterSourceOptions = {
  readonly connect: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly load: LoadOptions;
  /** Whether to wait for the first one; without that CLUSTER_CONFIG_NONE is thrown. */
  readonly wait: boolean;
  readonly say: (text: string) => void;
  readonly clock?: Clock;
};

/** Throws USAGE, ZOOKEEPER_UNREACHABLE, CLUSTER_CONFIG_NONE, and what ZooKeeper answers. */
export async function clusterSource(options: ClusterSourceOptions): Promise<ClusterSource> {
  const { connect, env, clock = systemClock } = options;
  const access = clusterAccess(connect, env);
  const around = { clock, random: Math.random };
  const session = await openCluster(access, around);
  let document: ConfigDocument;
  try {
    document = await firstDocument();
  } finally {
    await session.close(1_000);
  }
  const first = document;
  const file = `cluster:${access.name}`;
  const { auth, name, tls } = access;
  // Until the text says otherwise, the cluster is reached as it was to read that text.
  const overrides = { ...options.load.overrides, clusterDefaults: { name, auth, tls } };

  async function firstDocument(): Promise<ConfigDocument> {
    for (let told = false; ; told = true) {
      const changed = Promise.withResolvers<void>();
      const found = await currentConfig(session, () => changed.resolve());
      if (found) return found;
      const none = new DbusError("CLUSTER_CONFIG_NONE", `cluster ${access.name} has none`);
      if (!options.wait) throw none;
      if (!told)
        options.say(
          `dbusd: no configuration was pushed yet; it waits for one\n    ${none.remedy}\n`,
        );
      await changed.promise;
    }
  }

  return {
    file,
    options: { ...options.load, overrides, text: first.text },
    load: () =>
      loadShared(file, { ...options.load, overrides, text: document.text, withSecrets: true }),
    follow(config, daemon, log) {
      const pid = config.cluster?.id ?? persistedId(config.state.dir, () => crypto.randomUUID());
      return followConfig({
        ...{ pid, first, log, ...around },
        openSession: () => clusterSession(config.cluster ?? access, around),
        async apply(next) {
          const before = document;
          document = next;
          try {
            await daemon.reload(`version ${next.n}, pushed by ${next.by}`);
          } catch (thrown) {
            // What runs is the one before, and that is what another reload is to find.
            document = before;
            throw thrown;
          }
        },
      });
    },
  };
}
