import type { Self } from "#src/actor/actor.ts";
import type { Clock } from "#src/clock.ts";
import type { FilterEntry } from "#src/config/config.ts";
import { isTimeout, withDeadline } from "#src/plugin/deadline.ts";
import type { Applied } from "#src/plugin/define.ts";
import type { FilterMessage } from "./protocol.ts";

/** What an asynchronous `apply` gives once it has ended. */
export type LateAnswer = { result: Applied | undefined; error: unknown; ended: boolean };

type Waiting = {
  readonly entry: FilterEntry;
  readonly clock: Clock;
  readonly waiting: Map<number, LateAnswer>;
};

/** Keeps the answer for the lane that waits for it, and tells the filter that it is there. */
export function awaitAnswer(
  { entry, clock, waiting }: Waiting,
  lane: number,
  answer: Promise<Applied>,
  self: Self<FilterMessage>,
): void {
  const slot: LateAnswer = { result: undefined, error: undefined, ended: false };
  waiting.set(lane, slot);
  const ended = () => {
    slot.ended = true;
    self.signal({ kind: "applied", lane });
  };
  const what = `apply of ${entry.name}`;
  withDeadline(answer, { clock, ms: entry.timeoutMs, what }).then(
    (result) => {
      slot.result = result;
      ended();
    },
    (error) => {
      // One that never returns says nothing of the packet: the filter has to be opened again.
      slot.error = error;
      if (isTimeout(error)) self.fail(error);
      slot.error = error ?? new Error("rejected without a reason");
      ended();
    },
  );
}
