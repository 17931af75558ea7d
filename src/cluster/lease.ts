import type { Heard, ZkSession } from "#src/clients/zookeeper/port.ts";
import type { Clock } from "#src/clock.ts";

/**
 * Until when this process may believe that its session lives. The leader of the servers counts from
 * when it heard of our last request, which was after we sent it; two thirds of the timeout leave room
 * for clocks that run unequally, and for servers that tell it of us each half of a tick. The larger of both clocks counts, for one of them stands still while a
 * machine sleeps.
 */
export type Lease = {
  readonly valid: boolean;
  /** Milliseconds until it ends, 0 when it has. */
  readonly leftMs: number;
};

export function leaseOf(session: Pick<ZkSession, "heard" | "timeoutMs">, clock: Clock): Lease {
  const leftMs = () => {
    const { heard, timeoutMs } = session;
    if (heard === null) return 0;
    return Math.max(0, (timeoutMs * 2) / 3 - elapsed(heard, clock));
  };
  return {
    get valid() {
      return leftMs() > 0;
    },
    get leftMs() {
      return leftMs();
    },
  };
}

function elapsed(since: Heard, clock: Clock): number {
  return Math.max(clock.now() - since.now, clock.wall() - since.wall);
}
