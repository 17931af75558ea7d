import { expect, test } from "bun:test";
import { createWatches } from "#src/clients/zookeeper/watches.ts";
import { systemClock } from "#src/clock.ts";
import { createEmbeddedCoordinator } from "#src/cluster/embedded/embedded-coordinator.ts";
import { memoryOfEpoch } from "#src/cluster/identity.ts";
import { startClusterNode } from "#src/cluster/node.ts";
import { silentLog } from "#src/log.ts";
import { waitFor } from "../support/index.ts";

const resource = { resource: "r", cost: 1, group: null, tags: [], tenant: null };

/** A cluster of one, which reads what is called after it. */
function cluster(name: string) {
  const coordinator = createEmbeddedCoordinator(systemClock);
  const read: string[] = [];
  let ids = 0;
  const node = startClusterNode({
    ...{ pid: "same", rpc: null, memory: memoryOfEpoch(), clock: systemClock, log: silentLog },
    profile: { weight: 1, tags: [], tenants: [], proto: [1, 1], build: "1", configVersion: 1 },
    openSession: () => coordinator.open(),
    resources: [{ ...resource, input: name }],
    host: {
      async open({ record }) {
        read.push(record.input);
      },
      async close() {},
      ...{ fence() {}, pause() {}, resume() {}, positions: () => ({}) },
    },
    ...{ random: Math.random, newId: () => `${++ids}`, ring() {} },
    hasEnded: async () => false,
    askLost: () => Promise.reject(new Error("nobody else")),
    settings: {
      ...{ drainMs: 100, commitEveryMs: 50, reconcileEveryMs: 200, debounceMs: 5 },
      ...{ lookAfterMs: 5, calmAfterMs: 1_000 },
      ...{ claimTimeoutMs: 5_000, closeTimeoutMs: 5_000, quarantineAfter: 3 },
      ...{ onCoordinatorLost: "auto", promiseMs: 500 },
    },
  });
  return { coordinator, node, read };
}

test("defect 53: who listens and fails takes nothing from those beside it", () => {
  const watches = createWatches();
  const told: string[] = [];
  watches.add("data", "/x", () => {
    throw new Error("a listener that fails");
  });
  watches.add("data", "/x", ({ kind }) => void told.push(kind));
  expect(() => watches.fire({ kind: "changed", path: "/x" })).toThrow("a listener that fails");
  expect(told).toEqual(["changed"]);
  watches.fire({ kind: "changed", path: "/x" });
  expect(told).toEqual(["changed"]);
});

test("defect 54: two clusters in one process know nothing of one another", async () => {
  const all = [cluster("one"), cluster("other")];
  await waitFor(() => all.every(({ node }) => node.owned.length === 1), {
    what: "each of them to read its own",
  });
  await waitFor(() => all.every(({ read }) => read.length > 0), { what: "both to be open" });
  expect(all.map(({ read }) => read)).toEqual([["one"], ["other"]]);
  for (const { coordinator } of all) {
    const session = coordinator.open();
    expect((await session.children("/resources")).names).toHaveLength(1);
  }
  await Promise.all(all.map(({ node }) => node.stop(1_000)));
});
