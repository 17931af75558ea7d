import { expect, test } from "bun:test";
import type { ZkSession } from "#src/clients/zookeeper/port.ts";
import { ZkError } from "#src/clients/zookeeper/zk-error.ts";
import { systemClock } from "#src/clock.ts";
import { createEmbeddedCoordinator } from "#src/cluster/embedded/embedded-coordinator.ts";
import { type Identity, memoryOfEpoch } from "#src/cluster/identity.ts";
import { noLocalLog } from "#src/cluster/local-log.ts";
import { createParticipant } from "#src/cluster/participant.ts";
import { assignPath, paths, resourcePath } from "#src/cluster/paths.ts";
import { encode } from "#src/cluster/records.ts";
import { prepareRoot } from "#src/cluster/register-resources.ts";
import { silentLog } from "#src/log.ts";
import { waitFor } from "../support/index.ts";

const self: Identity = { pid: "one", inc: "i1", rpc: null };
const rid = "in-r-1";

/** A tree in which `one` has been given a resource by a decision that is not the newest. */
async function treeOfOne(session: ZkSession): Promise<void> {
  const { resources, assign, claim, checkpoint, status, participants, members } = paths;
  await prepareRoot(session, [resources, assign, claim, checkpoint, status, participants, members]);
  const record = { input: "in", resource: "r", cost: 1, group: null, tags: [], tenant: null };
  await session.create(resourcePath(rid), encode({ ...record, readerId: 1 }));
  const given = { owner: self.pid, inc: self.inc, gen: 1, epoch: 1, prev: null };
  await session.create(assignPath(rid), encode(given));
}

test("what a look did not come to is looked at by the next one, whatever the newest decision speaks of", async () => {
  const session = createEmbeddedCoordinator(systemClock).open();
  await treeOfOne(session);
  let losses = 0;
  const lossy: ZkSession = {
    ...session,
    state: "connected",
    heard: session.heard,
    async get(path, watcher) {
      if (path === assignPath(rid) && losses++ === 0)
        throw new ZkError("lost", "the answer is lost");
      return await session.get(path, watcher);
    },
  };
  const opened: string[] = [];
  const participant = createParticipant({
    ...{ session: lossy, self, clock: systemClock, random: Math.random, log: silentLog },
    profile: { weight: 1, tags: [], tenants: [], proto: [1, 1], build: "1", configVersion: 1 },
    host: {
      async open(owned) {
        opened.push(owned.rid);
      },
      async close() {},
      ...{ fence() {}, pause() {}, resume() {}, positions: () => ({}) },
    },
    ...{ memory: memoryOfEpoch(), localLog: noLocalLog, boundMs: () => 0 },
    ...{ halt() {}, learnOthers() {} },
    settings: {
      ...{ drainMs: 100, commitEveryMs: null, lookAfterMs: 5, calmAfterMs: 1_000 },
      // Longer than the test may take.
      ...{ reconcileEveryMs: 600_000, closeTimeoutMs: 4_000 },
    },
  });
  try {
    await participant.join();
    await waitFor(() => opened.length > 0, { what: "the resource to be opened" });
    expect([opened, losses > 1]).toEqual([[rid], true]);
  } finally {
    participant.stop();
  }
});
