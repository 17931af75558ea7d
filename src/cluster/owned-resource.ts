import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { DbusError, toDbusError } from "#src/errors.ts";
import { again } from "./again.ts";
import { ownerWrite } from "./fenced-writes.ts";
import type { LocalEntry } from "./local-log.ts";
import { optional } from "./optional.ts";
import { createOwnedCheckpoint } from "./owned-checkpoint.ts";
import type { OwnedDeps } from "./owned-deps.ts";
import { claimPath, statusPath } from "./paths.ts";
import { type ClaimRecord, decode, encode, type StatusRecord, statusSchema } from "./records.ts";
import type { Owned } from "./resource-host.ts";

/**
 * The life of one resource with its owner: claimed, opened, committed, closed. Every write of it
 * is refused by ZooKeeper as soon as the assignment is another's; then it throws STALE_EPOCH, and
 * whoever calls fences it.
 */
export type OwnedResource = {
  readonly owned: Owned;
  /** Claims it, reads its checkpoint and opens it. False: it could not be opened, and it is said. */
  open(): Promise<boolean>;
  /** Once open: after how long `calm` is to be called; null when it had not failed before. */
  readonly calmAfterMs: number | null;
  /** Forgets former failures: it has run for long enough. */
  calm(): Promise<void>;
  /** Commits where reading has come to, if that has moved. One commit at a time. */
  commit(): Promise<void>;
  /** Closes it in good order, commits for the last time, and gives the claim back. */
  release(drainMs: number): Promise<void>;
  /** What is settled and saved nowhere, as it goes into the local log; from then on it is saved. */
  unsaved(): LocalEntry | null;
  /** Says why it cannot be read here any more, and gives the claim back. */
  renounce(error: DbusError): Promise<void>;
};

export function createOwnedResource(deps: OwnedDeps): OwnedResource {
  const { session, self, host, clock, owned } = deps;
  const { rid, fence } = owned;
  const write = ownerWrite(session, rid, fence);
  const claim = (state: ClaimRecord["state"]) =>
    encode({ pid: self.pid, inc: self.inc, fence, state } satisfies ClaimRecord);
  const checkpoint = createOwnedCheckpoint({ ...deps, write });
  let committing: Promise<void> | undefined;
  let calmAfterMs: number | null = null;
  let opened = false;

  /** Makes the claim; one of ours that is there already has come of a lost answer. */
  async function makeClaim(): Promise<void> {
    const path = claimPath(rid);
    try {
      await write([{ kind: "create", path, data: claim("opening"), mode: "ephemeral" }]);
    } catch (thrown) {
      if (!isZk(thrown, "lost", "node_exists")) throw thrown;
      const there = await session.exists(path);
      if (there?.ephemeralOwner !== session.id) throw thrown;
      // It may be of an earlier assignment: it says under which fence it stands.
      const { stat } = await session.get(path);
      await write([{ kind: "set", path, data: claim("opening"), version: stat.version }]);
    }
  }

  async function setClaim(state: ClaimRecord["state"]): Promise<void> {
    const path = claimPath(rid);
    const { stat } = await session.get(path);
    await write([{ kind: "set", path, data: claim(state), version: stat.version }]);
  }

  async function dropClaim(): Promise<void> {
    await twice(async () => {
      const there = await session.exists(claimPath(rid));
      if (there?.ephemeralOwner !== session.id) return;
      await write([{ kind: "delete", path: claimPath(rid), version: there.version }]);
    });
  }

  async function say(change: (before: StatusRecord | null) => StatusRecord): Promise<void> {
    const path = statusPath(rid);
    await twice(async () => {
      const before = await optional(session, path, (data) => decode(statusSchema, data, path));
      const data = encode(change(before?.record ?? null));
      const version = before?.version;
      await write([
        version === undefined
          ? { kind: "create", path, data }
          : { kind: "set", path, data, version },
      ]);
    });
  }

  async function sayFailed(error: DbusError): Promise<void> {
    await say((before) => {
      // Said already, and the answer was lost: under one assignment it fails once.
      if (before?.state === "failed" && before.fence === fence) return before;
      const attempts = (before?.state === "failed" ? before.attempts : 0) + 1;
      const failedOn = before?.state === "failed" ? before.failedOn : [];
      return {
        ...{ state: "failed", code: error.code, reason: error.message, attempts, fence },
        waitMs: waitAfter(error, attempts),
        failedOn: [...new Set([...failedOn, self.pid])],
      };
    });
  }

  async function readFailure(): Promise<StatusRecord | null> {
    const path = statusPath(rid);
    const said = await optional(session, path, (data) => decode(statusSchema, data, path));
    return said?.record.state === "failed" ? said.record : null;
  }

  /** An open door is no proof: what fails again soon must not look as if it had been well. */
  async function learnCalm(): Promise<void> {
    const failure = await readFailure();
    calmAfterMs = failure && Math.max(deps.calmAfterMs, calmPerWait * failure.waitMs);
  }

  async function calm(): Promise<void> {
    calmAfterMs = null;
    if ((await readFailure()) === null) return;
    const well = { code: null, reason: null, attempts: 0, waitMs: 0, failedOn: [], fence };
    await say(() => ({ state: "ok", ...well }));
  }

  /** Never joins one that is under way: what there is to commit may be newer than that. */
  async function commitInTurn(): Promise<void> {
    while (committing) await committing.catch(() => {});
    committing = checkpoint.commit().finally(() => {
      committing = undefined;
    });
    await committing;
  }

  return {
    owned,
    get calmAfterMs() {
      return calmAfterMs;
    },
    calm: () => again(clock, calm),
    async open() {
      await again(clock, makeClaim);
      await again(clock, checkpoint.read);
      await again(clock, () => twice(checkpoint.takeUp));
      // The claim may have been on its way when the promise was given.
      if (!(await deps.mayOpen())) {
        throw new DbusError("STALE_EPOCH", `the resource ${rid} was taken before it was opened`);
      }
      try {
        await host.open(owned, checkpoint.record);
      } catch (thrown) {
        const error = toDbusError(thrown);
        await again(clock, () => sayFailed(error));
        await again(clock, dropClaim);
        return false;
      }
      opened = true;
      await again(clock, () => setClaim("running"));
      await again(clock, learnCalm);
      return true;
    },
    async commit() {
      await commitInTurn();
    },
    async release(drainMs) {
      await again(clock, () => setClaim("closing"));
      await host.close(rid, drainMs);
      await again(clock, () => twice(commitInTurn));
      await again(clock, dropClaim);
    },
    unsaved: () => (opened ? checkpoint.unsaved() : null),
    async renounce(error) {
      opened = false;
      await again(clock, () => sayFailed(error));
      await again(clock, dropClaim);
    },
  };
}

/** How much longer than the last wait something must run to have been mended. */
const calmPerWait = 2;

/** Where a password is wrong, more tries only block the account; else it may be well again soon. */
function waitAfter(error: DbusError, attempts: number): number {
  const [min, max] = error.kind === "fatal" ? [30_000, 600_000] : [500, 30_000];
  return Math.min(max, min * 2 ** Math.min(attempts - 1, 10));
}

/** Once more when the answer was lost: the work looks at what is there before it writes. */
async function twice(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    if (!isZk(thrown, "lost", "bad_version", "node_exists", "no_node")) throw thrown;
    await work();
  }
}
