import { type DbusError, toDbusError } from "../errors.ts";
import type { Verdict } from "../plugin/define.ts";
import { type Batch, eachPacket, type Range } from "./batch.ts";

/** What an output's verdicts mean for a batch, packet by packet. */
export type Sorted = {
  readonly done: readonly Range[];
  /** Of a partition that was fenced meanwhile: whatever became of them counts for nothing. */
  readonly lost: readonly Range[];
  /** For the dead letters. */
  readonly failed: readonly { readonly range: Range; readonly error: DbusError }[];
  /** To be written again, before anything newer. */
  readonly again: readonly Range[];
  /** Why the first of `again` has to; undefined when none has to. */
  readonly cause: Error | undefined;
  /** Whether one of `again` was refused for good: it goes again only since it may not fail. */
  readonly blocked: boolean;
  /** The longest pause that was asked for. */
  readonly delayMs: number;
};

/** Sorts the verdicts of a batch, one for each of its packets. */
export function sortVerdicts(
  batch: Batch,
  verdicts: readonly Verdict[],
  onFailed: "deadletter" | "block",
): Sorted {
  const done: Range[] = [];
  const lost: Range[] = [];
  const failed: { readonly range: Range; readonly error: DbusError }[] = [];
  const again: Range[] = [];
  let cause: Error | undefined;
  let blocked = false;
  let delayMs = 0;
  eachPacket(batch, (range, i) => {
    const verdict = verdicts[i] as Verdict;
    if (verdict === "done") done.push(range);
    else if (range.delivery.partition.right.fenced) lost.push(range);
    else if ("failed" in verdict && onFailed === "deadletter") {
      failed.push({ range, error: toDbusError(verdict.failed, "OUTPUT_REJECTED") });
    } else {
      cause ??= "failed" in verdict ? verdict.failed : verdict.error;
      if ("failed" in verdict) blocked = true;
      else delayMs = Math.max(delayMs, verdict.retryAfterMs);
      again.push(range);
    }
  });
  return { done, lost, failed, again, cause, blocked, delayMs };
}
