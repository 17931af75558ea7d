import { expect } from "bun:test";
import { startZookeeperEnsemble, useStarted } from "../../services/index.ts";
import { type BusCluster, busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import {
  epochOf,
  leaderOf,
  movesOn,
  nothingIsLost,
  sumOf,
} from "../../support/bus-cluster/cluster-checks.ts";
import { mockConfig } from "../../support/bus-cluster/mock-ledger.ts";
import { tempDir } from "../../support/temp-dir.ts";

/*
 * Five dbusd, three ZooKeeper servers, twenty resources; what they write is counted row by row.
 */
const sessionTimeoutMs = 3_000;
const rate = 20;
const inputs = 20;
const everybody = ["p1", "p2", "p3", "p4", "p5"];

const services = await useStarted("three ZooKeeper servers", () =>
  startZookeeperEnsemble({ tickMs: 200 }),
);

async function withCluster(
  name: string,
  connect: string,
  work: (cluster: BusCluster) => Promise<void>,
): Promise<void> {
  const dir = tempDir(name);
  const config = mockConfig(dir, inputs, rate);
  const cluster = busCluster({ connect, name, dir, sessionTimeoutMs, config });
  try {
    await Promise.all(everybody.map((pid) => cluster.start(pid)));
    await cluster.settled(everybody);
    await work(cluster);
  } finally {
    await cluster.stop();
  }
}

const names = Array.from({ length: inputs }, (_, n) => `in${n}`);

services.test(
  "twenty resources are shared by five; whoever is killed, a participant or the leader, is replaced, and nothing is lost",
  async ({ connect }) => {
    await withCluster("kills", connect, async (cluster) => {
      const shares = [...(await cluster.owners()).values()].map(({ owner }) => owner);
      for (const pid of everybody) expect(shares.filter((one) => one === pid)).toHaveLength(4);
      await movesOn(cluster, 2 * rate);
      const leader = await leaderOf(cluster);
      const [follower = ""] = everybody.filter((pid) => pid !== leader);
      cluster.daemons.get(follower)?.kill("SIGKILL");
      await cluster.settled(everybody.filter((pid) => pid !== follower));
      await movesOn(cluster, 2 * rate);
      cluster.daemons.get(leader)?.kill("SIGKILL");
      await cluster.settled(everybody.filter((pid) => pid !== follower && pid !== leader));
      await movesOn(cluster, 2 * rate);
      // A checkpoint each half second, and one that was on its way, for each of the dead.
      await nothingIsLost(cluster, 2 * rate * 3);
      expect(await epochOf(cluster)).toBe(2);
    });
  },
  120_000,
);

services.test(
  "one that is told to end gives back what it has first: no row twice, and exit code 0",
  async ({ connect }) => {
    await withCluster("leaves", connect, async (cluster) => {
      await movesOn(cluster, 2 * rate);
      const gone = cluster.daemons.get("p3");
      expect(await gone?.stop()).toBe(0);
      const left = everybody.filter((pid) => pid !== "p3");
      await cluster.settled(left);
      await movesOn(cluster, 2 * rate);
      for (const name of names) {
        const { beyondGap, duplicates, disorder } = sumOf(cluster, name);
        expect({ name, beyondGap, duplicates, disorder }).toEqual({
          ...{ name, beyondGap: 0, duplicates: 0, disorder: 0 },
        });
      }
      expect(await cluster.node("/participants/p3")).toBeNull();
    });
  },
  120_000,
);
