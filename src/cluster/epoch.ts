import type { ZkSession, ZkWatcher } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { DbusError } from "#src/errors.ts";
import { readDecision } from "./decision.ts";
import type { EpochMemory } from "./identity.ts";
import { paths } from "./paths.ts";
import { decode, encode, epochSchema } from "./records.ts";
import { createIfMissing } from "./register-resources.ts";

/** The epoch as it stands in ZooKeeper, and the version that a write of it has to name. */
export type StandingEpoch = { readonly epoch: number; readonly version: number };

/**
 * Reads the epoch; `changed`, if any, is told of the next. One that was deleted is made again, never
 * lower than any that was seen: by this process before, or in the newest decision. Throws
 * CLUSTER_EPOCH_REGRESSION when a lower one stands there.
 */
export async function readEpoch(
  session: ZkSession,
  memory: EpochMemory,
  changed?: ZkWatcher,
): Promise<StandingEpoch> {
  for (;;) {
    try {
      const { data, stat } = await session.get(paths.leaderEpoch, changed);
      const { epoch } = decode(epochSchema, data, paths.leaderEpoch);
      if (epoch >= memory.epoch) return { epoch, version: stat.version };
      const message = `the epoch is ${epoch}, and ${memory.epoch} was seen before`;
      throw new DbusError("CLUSTER_EPOCH_REGRESSION", message);
    } catch (thrown) {
      if (!isZk(thrown, "no_node")) throw thrown;
    }
    memory.raise((await readDecision(session))?.epoch ?? 0);
    await createIfMissing(session, paths.leaderEpoch, encode({ epoch: memory.epoch }));
  }
}
