import type { ZkSession, ZkWatcher } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { paths } from "./paths.ts";
import { type DecisionRecord, decisionSchema, decode } from "./records.ts";

/** The newest decision, null before the first; `watch`, if any, is told of the next. */
export async function readDecision(
  session: ZkSession,
  watch?: ZkWatcher,
): Promise<DecisionRecord | null> {
  for (;;) {
    try {
      const { data } = await session.get(paths.decision, watch);
      return decode(decisionSchema, data, paths.decision);
    } catch (thrown) {
      if (!isZk(thrown, "no_node")) throw thrown;
    }
    if ((await session.exists(paths.decision, watch)) === null) return null;
  }
}
