import type { ZkOperation, ZkSession } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import type { Census } from "./census.ts";
import { optional } from "./optional.ts";
import { paths } from "./paths.ts";
import {
  type DecisionRecord,
  decode,
  encode,
  type PastDecision,
  pastDecisionSchema,
} from "./records.ts";
import { askedBy } from "./requests.ts";

/** So many decisions are remembered, and of one so many changes: a node holds no more than 1 MiB. */
export const decisionsMax = 100;
const changesMax = 500;
const askedMax = 50;
/** They are forgotten some at a time. */
const spare = 20;

/** Writes a decision down for later; it goes with the decision itself. */
export function remember(decision: DecisionRecord, census: Census, at: number): ZkOperation {
  const revoke = Object.entries(decision.revoke).slice(0, changesMax);
  const assign = Object.entries(decision.assign).slice(0, changesMax - revoke.length);
  const all = Object.keys(decision.revoke).length + Object.keys(decision.assign).length;
  const past: PastDecision = {
    ...decision,
    ...{ revoke: Object.fromEntries(revoke), assign: Object.fromEntries(assign) },
    ...{ at, asked: askedBy(census).slice(0, askedMax) },
    more: all - revoke.length - assign.length,
  };
  // Its number is ZooKeeper's: one made of the generation could be there, and stop all decisions.
  const mode = "persistent_sequential";
  return { kind: "create", path: `${paths.history}/d-`, data: encode(past), mode };
}

/** Forgets the oldest when there are too many. */
export async function forgetOldest(
  session: ZkSession,
  write: (operations: readonly ZkOperation[]) => Promise<unknown>,
): Promise<void> {
  const names = await namesOf(session);
  if (names.length <= decisionsMax + spare) return;
  const oldest = names.slice(0, names.length - decisionsMax).slice(0, decisionsMax);
  const deletes = oldest.map(
    (name): ZkOperation => ({ kind: "delete", path: `${paths.history}/${name}`, version: 0 }),
  );
  await write(deletes).catch((thrown: unknown) => {
    // Somebody cleared some of it by hand; the next time there is less of it.
    if (!isZk(thrown, "no_node")) throw thrown;
  });
}

/** The newest decisions, newest first. */
export async function readHistory(
  session: ZkSession,
  limit = decisionsMax,
): Promise<readonly PastDecision[]> {
  await session.sync(paths.history);
  const names = (await namesOf(session)).toReversed().slice(0, limit);
  const read = await Promise.all(
    names.map((name) => {
      const path = `${paths.history}/${name}`;
      return optional(session, path, (data) => decode(pastDecisionSchema, data, path));
    }),
  );
  return read.flatMap((one) => (one === null ? [] : [one.record]));
}

async function namesOf(session: ZkSession): Promise<string[]> {
  const { names } = await session.children(paths.history);
  return names.toSorted();
}
