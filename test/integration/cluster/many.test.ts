import { expect } from "bun:test";
import { systemClock } from "#src/clock.ts";
import { memoryOfEpoch } from "#src/cluster/identity.ts";
import { startClusterNode } from "#src/cluster/node.ts";
import { paths } from "#src/cluster/paths.ts";
import type { ResourceRecord } from "#src/cluster/records.ts";
import { silentLog } from "#src/log.ts";
import { startZookeeper, useStarted } from "../../services/index.ts";
import { waitFor } from "../../support/index.ts";
import { zkSession } from "../../support/zookeeper-session.ts";

/** `DBUS_RESOURCES=10000` is the long form. */
const count = Number(process.env.DBUS_RESOURCES ?? 1_000);
/** What ZooKeeper takes in one node or request, unless it is told another: jute.maxbuffer. */
const bytesMax = 1024 * 1024 - 1;

const services = await useStarted("ZooKeeper", () => startZookeeper({ tickMs: 500 }));

/** A participant of the real protocol whose resources are open as soon as they are to be. */
function participant(connect: string, pid: string, resources: readonly ResourceRecord[]) {
  const reading = new Set<string>();
  let ids = 0;
  const node = startClusterNode({
    ...{ pid, rpc: null, resources, memory: memoryOfEpoch(), log: silentLog },
    ...{ clock: systemClock, random: Math.random, newId: () => `${pid}-${++ids}` },
    profile: { weight: 1, tags: [], tenants: [], proto: [1, 1], build: "", configVersion: 0 },
    openSession: () => zkSession(`${connect}/many`, { sessionTimeoutMs: 8_000 }),
    host: {
      open: async ({ record }) => void reading.add(record.input),
      close: async () => {},
      fence() {},
      pause() {},
      resume() {},
      positions: () => ({}),
    },
    settings: {
      ...{ drainMs: 1_000, commitEveryMs: null, calmAfterMs: 0, lookAfterMs: 10 },
      ...{ reconcileEveryMs: 30_000, debounceMs: 100, claimTimeoutMs: 60_000 },
      ...{ closeTimeoutMs: 60_000, quarantineAfter: 3, promiseMs: 1_000 },
      onCoordinatorLost: "pause",
    },
    ring() {},
    askLost: () => Promise.reject(new Error("nobody to ask")),
    hasEnded: async () => false,
  });
  return { node, reading };
}

services.test(
  "fault 62: thousands of resources are registered, shared and read, and no node comes near the largest that there may be",
  async ({ connect }) => {
    const resources = Array.from({ length: count }, (_, n): ResourceRecord => {
      const input = `a-database-with-a-name-of-some-length-${n}`;
      return { input, resource: "r", cost: 1, group: null, tags: [], tenant: null };
    });
    const root = zkSession(connect);
    await root.create("/many", new Uint8Array(0));
    await root.close();
    const session = zkSession(`${connect}/many`, { sessionTimeoutMs: 8_000 });
    const all = ["p1", "p2", "p3"].map((pid) => participant(connect, pid, resources));
    const owned = () => all.reduce((sum, { node }) => sum + node.owned.length, 0);
    const since = performance.now();
    const everything = () =>
      owned() === count && new Set(all.flatMap(({ reading }) => [...reading])).size === count;
    await waitFor(everything, { what: "all to be read", timeoutMs: 240_000, intervalMs: 100 });
    process.stderr.write(`${count} resources: ${Math.round(performance.now() - since)} ms\n`);
    for (const path of [paths.decision, ...(await childrenOf(paths.history))]) {
      expect((await session.get(path)).data.length).toBeLessThan(bytesMax / 4);
    }
    for (const path of [paths.resources, paths.assign, paths.claim]) {
      const { names } = await session.children(path);
      expect(names).toHaveLength(count);
      // An answer is its names with four bytes each.
      expect(names.reduce((sum, name) => sum + name.length + 4, 0)).toBeLessThan(bytesMax);
    }
    await Promise.all(all.map(({ node }) => node.stop(10_000)));
    await session.close();

    async function childrenOf(path: string): Promise<readonly string[]> {
      return (await session.children(path)).names.map((name) => `${path}/${name}`);
    }
  },
  300_000,
);

services.test("the server of this file is stopped", ({ stop }) => stop());
