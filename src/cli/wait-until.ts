import { sleep, systemClock } from "../clock.ts";
import { DbusError } from "../errors.ts";
import { textOption, usageError, type VerbContext } from "./verb.ts";

const everyMs = 250;

/**
 * Asks again and again until the answer is yes. Throws WAIT_OVER when it is not by then, or Ctrl-C
 * ends it.
 */
export type Waiter = (what: string, isSo: () => Promise<boolean>) => Promise<void>;

/**
 * Of `--wait SECS`; without the option it waits for nothing. To be made before anything is ordered:
 * it throws USAGE.
 */
export function waiterOf({ values, signal }: Pick<VerbContext, "values" | "signal">): Waiter {
  const text = textOption(values, "wait");
  if (text === undefined) return async () => {};
  const seconds = Number(text);
  if (text === "" || !(seconds >= 0)) throw usageError("--wait wants seconds", "… --wait 60");
  return async (what, isSo) => {
    const until = systemClock.now() + seconds * 1000;
    for (;;) {
      if (await isSo()) return;
      if (signal.aborted) throw new DbusError("WAIT_OVER", `interrupted while waiting for ${what}`);
      if (systemClock.now() >= until) {
        throw new DbusError("WAIT_OVER", `${seconds} s were not enough for ${what}`);
      }
      await sleep(systemClock, everyMs, signal);
    }
  };
}
