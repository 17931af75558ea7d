import type { Clock } from "#src/clock.ts";

/**
 * Whether nothing that we read can have been taken from us for not giving it away in time: we have
 * seen what is decided shortly ago. The lease of the session says nothing of that, for its heart
 * beats on while the event loop comes to nothing.
 *
 * A leader takes what was not given away `closeTimeoutMs` after it was revoked, by its clock. What
 * a look of ours did not show was revoked after that look began; three quarters of the time leave
 * room for clocks that run unequally, and half of it for what is seen late and then drained.
 */
export type Informed = {
  readonly valid: boolean;
  /** A look at all that is decided has come to its end; when it had begun. */
  looked(began: number): void;
  /** Something that was revoked is being closed. `silence` is called when it must be still. */
  closing(silence: () => void): Closing;
};

export type Closing = {
  /** For how long it may still emit, in ms. */
  readonly leftMs: number;
  /** It must be still, and has been told so. */
  readonly silent: boolean;
  done(): void;
};

export function createInformed(clock: Clock, closeTimeoutMs: number): Informed {
  const open = new Set<{ until: number }>();
  let lookedAt = Number.NEGATIVE_INFINITY;
  return {
    get valid() {
      const now = clock.now();
      if (now - lookedAt >= closeTimeoutMs / 2) return false;
      // Time was up while nothing ran, and the timer that says so has not had its turn.
      for (const { until } of open) if (now >= until) return false;
      return true;
    },
    looked(began) {
      lookedAt = began;
    },
    closing(silence) {
      const one = { until: lookedAt + closeTimeoutMs * 0.75 };
      const leftMs = Math.max(0, one.until - clock.now());
      let silent = false;
      open.add(one);
      const timer = Number.isFinite(leftMs) ? clock.after(leftMs, beSilent) : undefined;
      if (leftMs === 0) beSilent();
      function beSilent(): void {
        one.until = Number.POSITIVE_INFINITY;
        silent = true;
        timer?.cancel();
        silence();
      }
      return {
        leftMs,
        get silent() {
          return silent;
        },
        done() {
          timer?.cancel();
          open.delete(one);
        },
      };
    },
  };
}
