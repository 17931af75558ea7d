import { expect } from "bun:test";
import { startZookeeper, useStarted } from "../../services/index.ts";
import { type BusCluster, busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import {
  allWork,
  epochOf,
  leaderOf,
  movesOn,
  nothingIsLost,
  watchCheckpoints,
} from "../../support/bus-cluster/cluster-checks.ts";
import { mockConfig } from "../../support/bus-cluster/mock-ledger.ts";
import { waitFor } from "../../support/index.ts";
import { tempDir } from "../../support/temp-dir.ts";

/*
 * A process that stands still for longer than its session, as one does that waits for a disk, or
 * whose machine is moved: it comes back and believes that nothing has happened.
 */
const sessionTimeoutMs = 2_000;
const rate = 20;
const everybody = ["p1", "p2", "p3"];

const services = await useStarted("ZooKeeper", () => startZookeeper({ tickMs: 200 }));

type Participant = { readonly inc: string };

async function incarnation(cluster: BusCluster, pid: string): Promise<string | null> {
  const text = await cluster.node(`/participants/${pid}`);
  return text === null ? null : (JSON.parse(text) as Participant).inc;
}

/** Stops a participant until others have what it had, and lets it go on. */
async function standsStill(cluster: BusCluster, pid: string): Promise<void> {
  const before = await incarnation(cluster, pid);
  const others = everybody.filter((other) => other !== pid);
  cluster.daemons.get(pid)?.kill("SIGSTOP");
  await cluster.settled(others);
  expect(await incarnation(cluster, pid)).toBeNull();
  await movesOn(cluster, rate);
  cluster.daemons.get(pid)?.kill("SIGCONT");
  const now = await waitFor(() => incarnation(cluster, pid), { what: `${pid} to be back` });
  expect(now).not.toBe(before);
  await allWork(cluster, everybody);
  await movesOn(cluster, rate);
}

services.test(
  "one that is stopped beyond its session writes nothing more that counts, moves no checkpoint, and is back (faults 54, 58, 74)",
  async ({ connect }) => {
    const dir = tempDir("stopped");
    const config = mockConfig(dir, 6, rate);
    const cluster = busCluster({ connect, name: "stopped", dir, sessionTimeoutMs, config });
    try {
      await Promise.all(everybody.map((pid) => cluster.start(pid)));
      await allWork(cluster, everybody);
      const checkpoints = watchCheckpoints(cluster);
      await movesOn(cluster, rate);
      const leader = await leaderOf(cluster);
      const [follower = ""] = everybody.filter((pid) => pid !== leader);
      await standsStill(cluster, follower);
      expect([await leaderOf(cluster), await epochOf(cluster)]).toEqual([leader, 1]);
      await standsStill(cluster, leader);
      expect(await leaderOf(cluster)).not.toBe(leader);
      expect(await epochOf(cluster)).toBe(2);
      await checkpoints.end();
      // A checkpoint each half second, one that was on its way, and what was in flight; twice.
      await nothingIsLost(cluster, 2 * rate * 3);
      for (const daemon of cluster.daemons.values()) expect(await daemon.stop()).toBe(0);
    } finally {
      await cluster.stop();
    }
  },
  120_000,
);

services.test("the server of this file is stopped", ({ stop }) => stop());
