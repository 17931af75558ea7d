import { DbusError, type ErrorCode, type InputContext, sleep } from "#plugin";
import type { StreamInputConfig } from "./stream-input-config.ts";

/** A source that worked for so long is tried again as if it had never failed. */
const QUIET_MS = 10_000;

/**
 * Calls `attempt` again and again, with growing pauses, until it answers "end" or the signal
 * aborts. Anything else that it answers is the reason for which it is tried again, told under `code`.
 */
export async function again(
  config: StreamInputConfig,
  context: InputContext,
  code: ErrorCode,
  what: string,
  attempt: () => Promise<"end" | { readonly again: string }>,
): Promise<void> {
  const { clock, signal, log } = context;
  const { minMs, maxMs } = config.backoff;
  let delayMs = minMs;
  while (!signal.aborted) {
    const started = clock.now();
    const outcome = await attempt();
    if (outcome === "end" || signal.aborted) return;
    if (clock.now() - started > QUIET_MS) delayMs = minMs;
    const error = new DbusError(code, `${what}: ${outcome.again}`);
    log.warn("the source broke off; it is tried again", { error, againInMs: delayMs });
    context.reportState(error.message);
    await sleep(clock, delayMs, signal);
    delayMs = Math.min(maxMs, delayMs * 2);
  }
}
