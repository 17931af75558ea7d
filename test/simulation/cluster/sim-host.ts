import type { ResourceRecord } from "#src/cluster/records.ts";
import type { ResourceHost } from "#src/cluster/resource-host.ts";
import { DbusError, type ErrorCode } from "#src/errors.ts";
import type { Random } from "../../support/random.ts";
import type { ProcessClock } from "./sim-clock.ts";

export type SimHostDeps = {
  readonly clock: ProcessClock;
  readonly random: Random;
  readonly mayEmit: () => boolean;
  /** A row leaves the process. */
  readonly emit: (rid: string, fence: number, position: number) => void;
  /** Whether the next resource cannot be opened. */
  readonly fails: () => boolean;
  /** It begins to be opened; it is read. */
  readonly opens: (rid: string, fence: number) => void;
  readonly opened: (rid: string) => void;
  /** Whether it fails so long after it was opened, as an input does that ends with an error. */
  readonly failsLater: (record: ResourceRecord) => Failure | undefined;
  readonly renounce: (rid: string, error: DbusError) => void;
};

export type Failure = { readonly afterMs: number; readonly code: ErrorCode };

/** A bus as the cluster sees it, whose resources count from one upwards. */
export type SimHost = ResourceHost & {
  /** What is read, by resource: its fence. */
  readonly running: ReadonlyMap<string, { readonly fence: number; readonly failed: boolean }>;
  hasFailed(rid: string, fence: number): boolean;
};

type Run = {
  readonly fence: number;
  position: number;
  paused: boolean;
  closing: boolean;
  failed: boolean;
};

export function createSimHost(deps: SimHostDeps): SimHost {
  const { clock, random } = deps;
  const runs = new Map<string, Run>();
  /** The fences under which resources are being opened: one that is gone was fenced meanwhile. */
  const opening = new Map<string, number>();
  const closedAt = new Map<string, number>();
  const failed = new Set<string>();

  function emit(rid: string, run: Run): void {
    if (!run.paused && !run.failed && deps.mayEmit()) deps.emit(rid, run.fence, ++run.position);
  }

  function beat(rid: string, run: Run): void {
    if (run.closing || runs.get(rid) !== run) return;
    emit(rid, run);
    clock.after(50 + random.next() * 300, () => beat(rid, run));
  }

  function failLater(rid: string, run: Run, { afterMs, code }: Failure): void {
    clock.after(afterMs, () => {
      if (runs.get(rid) !== run) return;
      // It rests, and is not closed yet.
      run.failed = true;
      deps.renounce(rid, new DbusError(code, "it failed when it was open"));
    });
  }

  function end(rid: string): void {
    opening.delete(rid);
    runs.delete(rid);
  }

  return {
    running: runs,
    hasFailed: (rid, fence) => failed.has(`${rid} ${fence}`),
    open({ rid, fence, record }, checkpoint) {
      return new Promise((resolve, reject) => {
        opening.set(rid, fence);
        deps.opens(rid, fence);
        clock.after(random.next() * 300, () => {
          if (opening.get(rid) !== fence) {
            reject(new DbusError("ACTOR_UNAVAILABLE", "it was fenced"));
            return;
          }
          opening.delete(rid);
          if (deps.fails()) {
            failed.add(`${rid} ${fence}`);
            reject(new DbusError("MYSQL_UNREACHABLE", "cannot be opened"));
            return;
          }
          const position = Number(checkpoint?.positions["0"] ?? 0);
          const run = { fence, position, paused: false, closing: false, failed: false };
          runs.set(rid, run);
          deps.opened(rid);
          beat(rid, run);
          resolve();
          const failure = deps.failsLater(record);
          if (failure) failLater(rid, run, failure);
        });
      });
    },
    close: (rid, drainMs) =>
      new Promise((resolve) => {
        const run = runs.get(rid);
        if (run) run.closing = true;
        clock.after(random.next() * drainMs, () => {
          // What was in flight has gone out while it was drained.
          if (run && runs.get(rid) === run) {
            emit(rid, run);
            closedAt.set(rid, run.position);
            end(rid);
          }
          resolve();
        });
      }),
    fence: end,
    pause(rid) {
      const run = runs.get(rid);
      if (run) run.paused = true;
    },
    resume(rid) {
      const run = runs.get(rid);
      if (run) run.paused = false;
    },
    positions(rid) {
      const position = runs.get(rid)?.position ?? closedAt.get(rid) ?? 0;
      return position > 0 ? { "0": String(position) } : {};
    },
  };
}
