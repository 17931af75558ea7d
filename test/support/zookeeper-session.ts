import { parseZkAddress } from "#src/clients/zookeeper/address.ts";
import { type OpenZookeeperOptions, openZookeeper } from "#src/clients/zookeeper/open-zookeeper.ts";
import type { ZkSession, ZkState } from "#src/clients/zookeeper/port.ts";
import { openZookeeperThread } from "#src/clients/zookeeper/worker/open-zookeeper-thread.ts";
import { systemClock } from "#src/clock.ts";
import { waitFor } from "./wait-for.ts";

export type WatchedSession = ZkSession & {
  /** Every state that it came to, in order. */
  readonly states: readonly ZkState[];
  becomes(state: ZkState, timeoutMs?: number): Promise<void>;
};

/** How `zkSession` opens sessions now. One test of a file runs at a time. */
let inThread = false;
/** Where those of threads have their nodes, so that both can have nodes of the same name. */
const threadRoot = "/in-a-thread";

/**
 * Registers each test twice: with its sessions in the thread that runs it, and with each of them in
 * a thread of its own. Both must not be told apart.
 */
export function bothWays<Services>(
  services: { test: RegisterTest<Services> },
  connectOf: (services: Services) => string,
): RegisterTest<Services> {
  return (name, run, timeoutMs) => {
    services.test(name, run, timeoutMs);
    const again = async (all: Services) => {
      await makeRoot(connectOf(all));
      inThread = true;
      try {
        await run(all);
      } finally {
        inThread = false;
      }
    };
    services.test(`${name}, in a thread too`, again, timeoutMs);
  };
}

type RegisterTest<Services> = (
  name: string,
  run: (services: Services) => Promise<void> | void,
  timeoutMs?: number,
) => void;

async function makeRoot(connect: string): Promise<void> {
  const zk = zkSession(connect, { sessionTimeoutMs: 10_000 });
  await untilDone(async () => {
    if ((await zk.exists(threadRoot)) === null) await zk.create(threadRoot, Buffer.from(""));
  }, "the root of sessions in threads");
  await zk.close();
}

/** A session on the servers of `connect`; its timeout is 4 s unless told. */
export function zkSession(
  connect: string,
  options: Partial<OpenZookeeperOptions> = {},
): WatchedSession {
  const address = parseZkAddress(connect);
  const open = inThread ? openZookeeperThread : openZookeeper;
  const session = open({
    address: inThread ? { ...address, chroot: threadRoot + address.chroot } : address,
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

/**
 * What a promise rejects with. `expect(…).rejects` waits within one turn, in which Bun lets no
 * message of a thread in.
 */
export function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    (value) => {
      throw new Error(`it did not fail: ${JSON.stringify(value)}`);
    },
    (thrown: unknown) => thrown,
  );
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
