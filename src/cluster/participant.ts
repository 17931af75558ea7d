import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { sleep } from "#src/clock.ts";
import { type DbusError, toDbusError } from "#src/errors.ts";
import { again } from "./again.ts";
import { concernedBy, isRevokedBy, readDecision } from "./decision.ts";
import { readEpoch } from "./epoch.ts";
import { createFallback } from "./fallback.ts";
import { type Closing, createInformed } from "./informed.ts";
import { introduce, learnOthers, register } from "./membership.ts";
import { optional } from "./optional.ts";
import { createOwnedResource, type OwnedResource } from "./owned-resource.ts";
import type { Participant, ParticipantDeps } from "./participant-port.ts";
import { assignPath, paths, resourcePath, statusPath } from "./paths.ts";
import { createReconciler } from "./reconciler.ts";
import {
  type AssignRecord,
  assignSchema,
  type DecisionRecord,
  decode,
  resourceSchema,
  statusSchema,
} from "./records.ts";

type Given = { readonly record: AssignRecord; readonly version: number };

type Holding = {
  readonly resource: OwnedResource;
  readonly fence: number;
  phase: "opening" | "running" | "closing";
  /** It failed when it was open, and we had not yet said that it runs. */
  failure: DbusError | undefined;
  closing?: Closing;
};

export function createParticipant(deps: ParticipantDeps): Participant {
  const { session, self, host, clock, random, log, memory, settings } = deps;
  const holdings = new Map<string, Holding>();
  let live = true;
  let paused = false;
  let leaving = false;
  const emptied = Promise.withResolvers<void>();
  let lastFull = Number.NEGATIVE_INFINITY;
  const informed = createInformed(clock, settings.closeTimeoutMs);
  let decision: DecisionRecord | null = null;
  // One function, so that a watch that is asked for again is not another one.
  const news = (): void => looking.poke();
  const onError = (error: DbusError): boolean => {
    if (live && error.code === "CLUSTER_EPOCH_REGRESSION") deps.halt(error);
    else if (error.kind === "fatal") log.error("the cluster's state cannot be read", { error });
    return live && !isZk(error, "expired", "closed", "auth_failed");
  };
  const looking = createReconciler({
    ...{ clock, random, run: look, debounceMs: settings.lookAfterMs },
    // The decision that the next look sees may not speak of what this one has not come to.
    onError(error) {
      lastFull = Number.NEGATIVE_INFINITY;
      return onError(error);
    },
    everyMs: Math.min(settings.reconcileEveryMs, settings.closeTimeoutMs / 4),
  });
  const commitEveryMs = settings.commitEveryMs ?? Number.POSITIVE_INFINITY;
  const committing = createReconciler({
    ...{ clock, random, onError, run: commitAll, debounceMs: commitEveryMs },
    everyMs: commitEveryMs,
  });

  const allUnsaved = () => [...holdings.values()].flatMap((one) => one.resource.unsaved() ?? []);
  const fallback = createFallback({ clock, log, localLog: deps.localLog, unsaved: allUnsaved });

  /** Compares what is decided for us with what we have, and begins what is missing. */
  async function look(): Promise<void> {
    const began = clock.now();
    await session.sync(paths.decision);
    await learnDecision();
    await readEpoch(session, memory, news);
    await learnOthers(session, self, news, deps.learnOthers);
    const full = clock.now() - lastFull >= settings.reconcileEveryMs;
    const names = full
      ? (await session.children(paths.assign)).names
      : concernedBy(decision, self.pid);
    if (full) lastFull = clock.now();
    await Promise.all([...new Set([...names, ...holdings.keys()])].sort().map(reconcile));
    informed.looked(began);
  }

  async function learnDecision(): Promise<void> {
    const next = await readDecision(session, news);
    // One of an epoch before one that we have seen was written by nobody who may.
    if (next !== null && next.epoch < memory.epoch) return;
    if (next !== null) memory.raise(next.epoch);
    // One in between was not seen, and may have been for us.
    if ((next?.gen ?? 0) > (decision?.gen ?? 0) + 1) lastFull = Number.NEGATIVE_INFINITY;
    decision = next;
  }

  const isRevoked = (rid: string, assignment: AssignRecord) =>
    isRevokedBy(decision, self.pid, rid, assignment);

  async function reconcile(rid: string): Promise<void> {
    if (!live) return;
    const path = assignPath(rid);
    const found = await optional(session, path, (data) => decode(assignSchema, data, path));
    const holding = holdings.get(rid);
    const ours = found?.record.owner === self.pid && found.record.inc === self.inc;
    if (holding) {
      if (!ours || found.version !== holding.fence) drop(rid, "it was given to another");
      else if (isRevoked(rid, found.record) && holding.phase === "running") begin(rid, close);
      return;
    }
    if (leaving || !found || !ours || isRevoked(rid, found.record)) return;
    // Said to have failed, it is as good as given away: the next try is a new assignment.
    if (await hasFailed(rid, found.version)) return;
    const boundMs = deps.boundMs();
    if (boundMs === 0) await claim(rid, found);
    else {
      // By then there may be another decision, which does not speak of it.
      lastFull = Number.NEGATIVE_INFINITY;
      clock.after(boundMs, () => looking.poke());
    }
  }

  async function hasFailed(rid: string, fence: number): Promise<boolean> {
    const path = statusPath(rid);
    const said = await optional(session, path, (data) => decode(statusSchema, data, path));
    return said?.record.state === "failed" && said.record.fence === fence;
  }

  async function claim(rid: string, { record: { prev }, version: fence }: Given): Promise<void> {
    const path = resourcePath(rid);
    const found = await optional(session, path, (data) => decode(resourceSchema, data, path));
    if (!found || !live || holdings.has(rid)) return;
    const owned = { rid, fence, record: found.record };
    const { calmAfterMs } = settings;
    const mayOpen = async (): Promise<boolean> => {
      while (holdings.get(rid) === holding && deps.boundMs() > 0) await sleep(clock, 20);
      return holdings.get(rid) === holding;
    };
    const resource = createOwnedResource({
      ...{ session, self, host, clock, log, owned, calmAfterMs, mayOpen, prev },
      localLog: fallback.log,
    });
    const holding: Holding = { resource, fence, phase: "opening", failure: undefined };
    holdings.set(rid, holding);
    begin(rid, open);
  }

  /** Lets a step run by itself; whatever it ends with, there is a look at it afterwards. */
  function begin(rid: string, step: (rid: string, holding: Holding) => Promise<void>): void {
    const holding = holdings.get(rid);
    if (!holding) return;
    step(rid, holding)
      .catch((thrown: unknown) => failed(rid, holding, toDbusError(thrown)))
      .finally(() => looking.poke());
  }

  async function open(rid: string, holding: Holding): Promise<void> {
    const opened = await holding.resource.open();
    if (holdings.get(rid) !== holding) return;
    if (!opened) {
      remove(rid);
      return;
    }
    holding.phase = "running";
    if (paused) host.pause(rid);
    if (holding.failure) renounce(rid, holding.failure);
    else if (leaving) begin(rid, close);
    const { calmAfterMs } = holding.resource;
    if (calmAfterMs !== null) clock.after(calmAfterMs, () => calm(rid, holding));
  }

  /** It only tells others: should that fail, the next failure counts as one more of a row. */
  function calm(rid: string, holding: Holding): void {
    if (!live || holdings.get(rid) !== holding || holding.phase !== "running") return;
    holding.resource.calm().catch((thrown: unknown) => {
      log.debug("that a resource is well was not said", { resource: rid, error: thrown });
    });
  }

  function renounce(rid: string, error: DbusError): void {
    const holding = holdings.get(rid);
    if (holding?.phase === "opening") holding.failure ??= error;
    if (holding?.phase !== "running") return;
    begin(rid, async () => {
      holding.phase = "closing";
      host.fence(rid);
      await holding.resource.renounce(error);
      if (holdings.get(rid) === holding) remove(rid);
    });
  }

  async function close(rid: string, holding: Holding): Promise<void> {
    holding.phase = "closing";
    const closing = informed.closing(() => {
      if (holdings.get(rid) === holding) host.pause(rid);
    });
    holding.closing = closing;
    try {
      await holding.resource.release(Math.min(settings.drainMs, closing.leftMs));
    } finally {
      closing.done();
    }
    if (holdings.get(rid) !== holding) return;
    remove(rid);
  }

  /** A step that failed has left the resource in no state to go on from: it begins anew, or not. */
  function failed(rid: string, holding: Holding, error: DbusError): void {
    if (holdings.get(rid) !== holding || !live) return;
    if (error.kind !== "fence") log.warn("a step of a resource failed", { resource: rid, error });
    drop(rid, error.message);
  }

  function drop(rid: string, why: string): void {
    log.warn("a resource is no longer ours; it ends at once", { resource: rid, why });
    remove(rid);
    host.fence(rid);
  }

  async function commitAll(): Promise<void> {
    const running = [...holdings].filter(([, { phase }]) => phase === "running");
    await Promise.all(running.map(([rid, holding]) => commit(rid, holding)));
  }

  async function commit(rid: string, holding: Holding): Promise<void> {
    try {
      await holding.resource.commit();
    } catch (thrown) {
      const error = toDbusError(thrown);
      if (error.kind !== "fence") {
        fallback.soon();
        throw error;
      }
      if (holdings.get(rid) === holding) drop(rid, error.message);
    }
  }

  async function leave(): Promise<void> {
    leaving = true;
    await again(clock, () => register(session, self, deps.profile, "draining"));
    for (const [rid, { phase }] of holdings) if (phase === "running") begin(rid, close);
    if (holdings.size > 0) await emptied.promise;
  }

  function remove(rid: string): void {
    holdings.delete(rid);
    // It may be ours still: a step failed, or it was not wanted any more that we give it away.
    lastFull = Number.NEGATIVE_INFINITY;
    if (leaving && holdings.size === 0) emptied.resolve();
  }

  return {
    async join() {
      await again(clock, () => introduce(session, self));
      await again(clock, () => learnOthers(session, self, news, deps.learnOthers));
      await again(clock, () => register(session, self, deps.profile, "online"));
      looking.poke();
      committing.poke();
    },
    poke: () => looking.poke(),
    leave,
    async commit(rid) {
      const holding = holdings.get(rid);
      // One that is closed is committed for the last time by that.
      if (holding && holding.phase !== "closing") await commit(rid, holding);
    },
    renounce,
    get owned() {
      return [...holdings.keys()];
    },
    get unsettled() {
      return [...holdings].flatMap(([rid, { phase }]) => (phase === "opening" ? [] : [rid]));
    },
    get informed() {
      return informed.valid;
    },
    fence() {
      live = false;
      looking.stop();
      committing.stop();
      const unsaved = allUnsaved();
      for (const rid of holdings.keys()) host.fence(rid);
      holdings.clear();
      fallback.write(unsaved);
    },
    pauseAll() {
      paused = true;
      for (const rid of holdings.keys()) host.pause(rid);
    },
    resumeAll() {
      paused = false;
      for (const [rid, { closing }] of holdings) if (closing?.silent !== true) host.resume(rid);
      looking.poke();
    },
    stop() {
      live = false;
      looking.stop();
      committing.stop();
    },
  };
}
