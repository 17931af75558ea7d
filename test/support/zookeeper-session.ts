import { parseZkAddress } from "#src/clients/zookeeper/address.ts";
import { type OpenZookeeperOptions, openZookeeper } from "#src/clients/zookeeper/open-zookeeper.ts";
import type { ZkSession, ZkState } from "#src/clients/zookeeper/port.ts";
import { systemClock } from "#src/clock.ts";
import { waitFor } from "./wait-for.ts";

export type WatchedSession = ZkSession & {
  /** Every state that it came to, in order. */
  readonly states: readonly ZkState[];
  becomes(state: ZkState, timeoutMs?: number): Promise<void>;
};

/** A session on the servers of `connect`; its timeout is 4 s unless told. */
export function zkSession(
  connect: string,
  options: Partial<OpenZookeeperOptions> = {},
): WatchedSession {
  const session = openZookeeper({
    address: parseZkAddress(connect),
    ...{ sessionTimeoutMs: 4_000, clock: systemClock, random: Math.random },
    ...options,
  });
  const states: ZkState[] = [];
  session.onState((state) => void states.push(state));
  return Object.assign(Object.create(session) as ZkSession, {
    states,
    becomes: async (state: ZkState, timeoutMs = 20_000) => {
      const what = `a session to become ${state}`;
      await waitFor(() => session.state === state, { what, timeoutMs });
    },
  });
}

/** Tries until it is done: for what a test does in between, not for what it looks at. */
export async function untilDone<T>(work: () => Promise<T>, what: string): Promise<T> {
  let result: { readonly value: T } | undefined;
  await waitFor(
    async () => {
      result = { value: await work() };
      return true;
    },
    { what, timeoutMs: 30_000, intervalMs: 50 },
  );
  return (result as { readonly value: T }).value;
}
