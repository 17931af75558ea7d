/** How long something must stay as it is, and what it is, for the message when it does not. */
export type HoldOptions = {
  readonly ms: number;
  /** 10 ms unless told. */
  readonly intervalMs?: number;
  readonly what: string;
};

/**
 * Looks at `condition` again and again for `ms` and throws as soon as it answers something false.
 * For what must not happen: that a stopped input sends nothing more, or an idle one stays up.
 */
export async function holdsFor(
  condition: () => unknown | Promise<unknown>,
  options: HoldOptions,
): Promise<void> {
  const started = performance.now();
  for (;;) {
    const passed = performance.now() - started;
    if (!(await condition())) {
      throw new Error(`no longer after ${Math.round(passed)} ms: ${options.what}`);
    }
    if (passed >= options.ms) return;
    await Bun.sleep(Math.min(options.intervalMs ?? 10, options.ms - passed));
  }
}
