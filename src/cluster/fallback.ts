import type { Clock } from "#src/clock.ts";
import { toDbusError } from "#src/errors.ts";
import type { Log } from "#src/log.ts";
import type { LocalEntry, LocalLog } from "./local-log.ts";

export type FallbackDeps = {
  readonly clock: Clock;
  readonly log: Log;
  readonly localLog: LocalLog;
  /** What is settled, and neither in ZooKeeper nor in the log. */
  readonly unsaved: () => readonly LocalEntry[];
};

/** Where settled positions go while ZooKeeper does not take them. */
export type Fallback = {
  readonly log: LocalLog;
  /** Writes what is unsaved, of all resources at once, when those that fail now have failed. */
  soon(): void;
  write(entries: readonly LocalEntry[]): void;
};

export function createFallback({ clock, log, localLog, unsaved }: FallbackDeps): Fallback {
  const careful = carefulLog(localLog, log);
  let due = false;
  return {
    log: careful,
    soon() {
      if (due) return;
      due = true;
      clock.after(0, () => {
        due = false;
        careful.write(unsaved());
      });
    },
    write: careful.write,
  };
}

/**
 * The same log for a participant that goes on without it: what cannot be written or read costs
 * duplicates after the next start, and is told of once until it works again. Never throws.
 */
function carefulLog(inner: LocalLog, log: Log): LocalLog {
  let told = false;

  function attempt<T>(work: () => T, otherwise: T): T {
    try {
      const result = work();
      told = false;
      return result;
    } catch (thrown) {
      const error = toDbusError(thrown);
      if (!told) log.warn("there is no local fallback for checkpoints", { error });
      told = true;
      return otherwise;
    }
  }

  return {
    read: (rid) => attempt(() => inner.read(rid), null),
    write(entries) {
      if (entries.length > 0) attempt(() => inner.write(entries), undefined);
    },
    remove: (rid) => attempt(() => inner.remove(rid), undefined),
  };
}
