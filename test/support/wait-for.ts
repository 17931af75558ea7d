/** How long a condition may take and what it is, for the message when it does not come. */
export type WaitOptions = {
  /** 10 s unless told. */
  readonly timeoutMs?: number;
  /** 10 ms unless told. */
  readonly intervalMs?: number;
  readonly what: string;
};

/**
 * Waits until `condition` answers something true and returns that answer. It is asked again at
 * intervals; when it throws, that counts as not yet, and the last error is told at the end.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions,
): Promise<NonNullable<Exclude<T, false>>> {
  const limit = options.timeoutMs ?? 10_000;
  const deadline = performance.now() + limit;
  let lastError: unknown;
  for (;;) {
    try {
      const answer = await condition();
      if (answer) return answer as NonNullable<Exclude<T, false>>;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() >= deadline) break;
    await Bun.sleep(options.intervalMs ?? 10);
  }
  const cause = lastError === undefined ? {} : { cause: lastError };
  const last = lastError instanceof Error ? ` (last error: ${lastError.message})` : "";
  throw new Error(`waited ${limit} ms for ${options.what}${last}`, cause);
}
