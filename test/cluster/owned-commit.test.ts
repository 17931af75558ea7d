import { afterEach, expect, test } from "bun:test";
import { systemClock } from "#src/clock.ts";
import { createEmbeddedCoordinator } from "#src/cluster/embedded/embedded-coordinator.ts";
import { memoryOfEpoch } from "#src/cluster/identity.ts";
import { startClusterNode } from "#src/cluster/node.ts";
import type { ClusterNode } from "#src/cluster/node-port.ts";
import { checkpointPath, claimPath } from "#src/cluster/paths.ts";
import { silentLog } from "#src/log.ts";
import { waitFor } from "../support/index.ts";

let node: ClusterNode;
afterEach(() => node.stop(1_000));

/** A cluster of one that commits when it is told to, at the place that a test gives it. */
function clusterOfOne(open: (rid: string) => Promise<void> = async () => {}) {
  const coordinator = createEmbeddedCoordinator(systemClock);
  const session = coordinator.open();
  const at = { place: "0" };
  let ids = 0;
  node = startClusterNode({
    ...{ pid: "one", rpc: null, memory: memoryOfEpoch(), clock: systemClock, log: silentLog },
    profile: { weight: 1, tags: [], tenants: [], proto: [1, 1], build: "1", configVersion: 1 },
    openSession: () => coordinator.open(),
    resources: [{ input: "in", resource: "r", cost: 1, group: null, tags: [], tenant: null }],
    host: {
      open: ({ rid }) => open(rid),
      async close() {},
      ...{ fence() {}, pause() {}, resume() {}, positions: () => ({ "0": at.place }) },
    },
    ...{ random: Math.random, newId: () => `${++ids}`, ring() {} },
    hasEnded: async () => false,
    askLost: () => Promise.reject(new Error("nobody else")),
    settings: {
      ...{ drainMs: 100, commitEveryMs: null, reconcileEveryMs: 200, debounceMs: 5 },
      ...{ lookAfterMs: 5, calmAfterMs: 1_000 },
      ...{ claimTimeoutMs: 5_000, closeTimeoutMs: 5_000, quarantineAfter: 3 },
      ...{ onCoordinatorLost: "auto", promiseMs: 500 },
    },
  });
  const read = async (path: string) =>
    JSON.parse(Buffer.from((await session.get(path)).data).toString()) as Record<string, unknown>;
  return {
    at,
    stored: async (rid: string) => (await read(checkpointPath(rid))).positions,
    claim: async (rid: string) => (await read(claimPath(rid))).state,
  };
}

test("what is committed while a resource is being opened is stored before it is said to run", async () => {
  let seen: unknown;
  const cluster = clusterOfOne(async (rid) => {
    cluster.at.place = "where it begins";
    await node.commit(rid);
    seen = [await cluster.claim(rid), await cluster.stored(rid)];
  });
  await waitFor(() => seen !== undefined, { what: "it to be opened" });
  expect(seen).toEqual(["opening", { "0": "where it begins" }]);
});

test("a commit stores what there was when it was asked for, also while another is under way", async () => {
  const cluster = clusterOfOne();
  const rid = await waitFor(() => node.owned[0], { what: "the resource" });
  await waitFor(async () => (await cluster.claim(rid)) === "running", { what: "it to run" });
  cluster.at.place = "1";
  const before = node.commit(rid);
  cluster.at.place = "2";
  await node.commit(rid);
  expect(await cluster.stored(rid)).toEqual({ "0": "2" });
  await before;
});
