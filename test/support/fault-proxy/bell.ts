/** One waiter, woken by whatever has changed: a byte, a toxic, a timer, a socket. */
export type Bell = {
  ring(): void;
  /** Until it rings, or for so long. Only one may wait at a time. */
  wait(msMax?: number): Promise<void>;
};

export function createBell(): Bell {
  let wake = () => {};
  return {
    ring: () => wake(),
    async wait(msMax) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      const timer = msMax === undefined ? undefined : setTimeout(resolve, msMax);
      await promise;
      clearTimeout(timer);
    },
  };
}
