import { expect } from "bun:test";
import { startZookeeperEnsemble, useStarted } from "../../services/index.ts";
import { type BusCluster, busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import { mockConfig, mockLines, mockSum } from "../../support/bus-cluster/mock-ledger.ts";
import { waitFor } from "../../support/index.ts";
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

const sumOf = ({ dir }: BusCluster, input: string) => mockSum(mockLines(dir, input));
const names = Array.from({ length: inputs }, (_, n) => `in${n}`);

/** Every input has moved on, by so many rows that a stale one would show. */
async function movesOn(cluster: BusCluster, rows = 2 * rate): Promise<void> {
  const before = new Map(names.map((name) => [name, sumOf(cluster, name).rows]));
  await waitFor(
    () => names.every((name) => sumOf(cluster, name).rows >= (before.get(name) ?? 0) + rows),
    { timeoutMs: 30_000, intervalMs: 200, what: "every input to move on" },
  );
}

/** Nothing is lost, each input had one owner at a time, and what came twice is within the bound. */
async function nothingIsLost(cluster: BusCluster, deaths: number): Promise<void> {
  const owners = await cluster.owners();
  for (const name of names) {
    const { beyondGap, duplicates, turns, disorder } = sumOf(cluster, name);
    expect({ name, beyondGap, disorder }).toEqual({ name, beyondGap: 0, disorder: 0 });
    expect(turns).toBeLessThanOrEqual(owners.get(name)?.fence ?? 0);
    // A checkpoint each half second, and one that was on its way.
    expect(duplicates).toBeLessThanOrEqual(deaths * rate * 3);
  }
}

services.test(
  "twenty resources are shared by five; whoever is killed, a participant or the leader, is replaced, and nothing is lost",
  async ({ connect }) => {
    await withCluster("kills", connect, async (cluster) => {
      const shares = [...(await cluster.owners()).values()].map(({ owner }) => owner);
      for (const pid of everybody) expect(shares.filter((one) => one === pid)).toHaveLength(4);
      await movesOn(cluster);
      const leader = JSON.parse((await cluster.node("/leader")) ?? "{}").pid as string;
      const [follower = ""] = everybody.filter((pid) => pid !== leader);
      cluster.daemons.get(follower)?.kill("SIGKILL");
      await cluster.settled(everybody.filter((pid) => pid !== follower));
      await movesOn(cluster);
      cluster.daemons.get(leader)?.kill("SIGKILL");
      await cluster.settled(everybody.filter((pid) => pid !== follower && pid !== leader));
      await movesOn(cluster);
      await nothingIsLost(cluster, 2);
      const epoch = JSON.parse((await cluster.node("/leader_epoch")) ?? "{}").epoch as number;
      expect(epoch).toBe(2);
    });
  },
  120_000,
);

services.test(
  "one that is told to end gives back what it has first: no row twice, and exit code 0",
  async ({ connect }) => {
    await withCluster("leaves", connect, async (cluster) => {
      await movesOn(cluster);
      const gone = cluster.daemons.get("p3");
      expect(await gone?.stop()).toBe(0);
      const left = everybody.filter((pid) => pid !== "p3");
      await cluster.settled(left);
      await movesOn(cluster);
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
