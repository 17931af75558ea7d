import { systemClock } from "../clock.ts";
import { toDbusError } from "../errors.ts";
import type { Log } from "../log.ts";

export type Signals = {
  /** Hands over what stops the daemon; a signal that came before is acted on now. */
  ready(stop: (reason: string) => Promise<void>): void;
  /** Hands over who finds the actor of an error that nobody caught; false when it is nobody's. */
  onUncaught(blame: (thrown: unknown) => boolean): void;
  off(): void;
};

const numbers = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * One Ctrl-C may arrive twice: the terminal gives it to the whole process group, and `bun run`
 * hands on the one that it got itself. A person needs longer than this for a second one.
 */
const SAME_SIGNAL_MS = 500;

/**
 * The first SIGINT or SIGTERM stops in good order, the second ends the process at once with 128 and
 * its number, as shells expect.
 *
 * What a plugin threw where nobody catches ends that plugin's actor, which its supervisor starts
 * again. A promise that nobody knows the owner of is logged and ends nothing: what is not acked is
 * sent again. An exception of unknown origin leaves no known state: that ends the process.
 */
export function onSignals(log: Log, err: (text: string) => void): Signals {
  let stop: ((reason: string) => Promise<void>) | undefined;
  let blame: ((thrown: unknown) => boolean) | undefined;
  let asked: string | undefined;
  let askedAt = 0;
  const onSignal = (signal: keyof typeof numbers) => {
    if (asked !== undefined) {
      if (systemClock.now() - askedAt < SAME_SIGNAL_MS) return;
      err(`dbusd: ${signal} again: ends at once\n`);
      process.exit(128 + numbers[signal]);
    }
    asked = signal;
    askedAt = systemClock.now();
    void stop?.(signal);
  };
  const onRejection = (reason: unknown) => {
    if (blame?.(reason)) return;
    log.error("a promise was rejected and nobody heard", { error: toDbusError(reason) });
  };
  const onException = (error: unknown) => {
    if (blame?.(error)) return;
    log.error("an exception that nobody caught", { error: toDbusError(error) });
    process.exit(1);
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.on("unhandledRejection", onRejection);
  process.on("uncaughtException", onException);
  return {
    ready(given) {
      stop = given;
      if (asked !== undefined) void given(asked);
    },
    onUncaught(given) {
      blame = given;
    },
    off() {
      process.off("SIGINT", onSignal);
      process.off("SIGTERM", onSignal);
      process.off("unhandledRejection", onRejection);
      process.off("uncaughtException", onException);
    },
  };
}
