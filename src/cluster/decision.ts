import type { ZkSession, ZkWatcher } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { paths } from "./paths.ts";
import { type AssignRecord, type DecisionRecord, decisionSchema, decode } from "./records.ts";

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

/** Resources of a decision that are the participant's, or were. */
export function concernedBy(decision: DecisionRecord | null, pid: string): string[] {
  const { assign = {}, revoke = {} } = decision ?? {};
  const given = Object.entries(assign).filter(([, to]) => to === pid);
  const taken = Object.entries(revoke).filter(([, { from }]) => from === pid);
  return [...given, ...taken].map(([rid]) => rid);
}

/** Whether a decision takes from the participant what an older one has given to it. */
export function isRevokedBy(
  decision: DecisionRecord | null,
  pid: string,
  rid: string,
  assignment: AssignRecord,
): boolean {
  return decision?.revoke[rid]?.from === pid && decision.gen > assignment.gen;
}
