import { expect } from "bun:test";
import { sharedMysql, startZookeeperEnsemble, useStarted } from "../../services/index.ts";
import { type BusCluster, busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import {
  epochOf,
  leaderOf,
  movesOn,
  nothingIsLost,
  sumOf,
} from "../../support/bus-cluster/cluster-checks.ts";
import { mockConfig } from "../../support/bus-cluster/mock-ledger.ts";
import { type MysqlShares, mysqlShares } from "../../support/bus-cluster/mysql-shares.ts";
import { waitFor } from "../../support/index.ts";
import { tempDir } from "../../support/temp-dir.ts";

/*
 * Five dbusd, three ZooKeeper servers, twenty resources; what they write is counted row by row.
 */
const sessionTimeoutMs = 3_000;
const rate = 20;
const inputs = 20;
const everybody = ["p1", "p2", "p3", "p4", "p5"];

const services = await useStarted("three ZooKeeper servers and MySQL", async () => {
  const zookeeper = startZookeeperEnsemble({ tickMs: 200 });
  return { zookeeper: await zookeeper, mysql: await sharedMysql("mysql") };
});

async function withCluster(
  name: string,
  connect: string,
  work: (cluster: BusCluster) => Promise<void>,
  dir = tempDir(name),
  shares: Pick<MysqlShares, "inputs" | "outputs"> = { inputs: [], outputs: [] },
): Promise<void> {
  const mocks = mockConfig(dir, inputs - shares.inputs.length, rate);
  const config = {
    ...mocks,
    inputs: [...mocks.inputs, ...shares.inputs],
    outputs: [...mocks.outputs, ...shares.outputs],
  };
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
  "twenty resources, eight of MySQL, are shared by five; whoever is killed, a participant or the leader, is replaced, and nothing is lost",
  async ({ zookeeper: { connect }, mysql }) => {
    const dir = tempDir("kills");
    const shares = await mysqlShares(mysql, dir, 8, rate);
    const kill = async (cluster: BusCluster) => {
      const portions = [...(await cluster.owners()).values()].map(({ owner }) => owner);
      for (const pid of everybody) expect(portions.filter((one) => one === pid)).toHaveLength(4);
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
      await shares.stop();
      const arrived = () =>
        shares.inputs.every(({ name }) => sumOf(cluster, name).rows === shares.written);
      await waitFor(arrived, { what: "every committed row", timeoutMs: 20_000, intervalMs: 100 });
      await nothingIsLost(cluster, 2 * rate * 3);
    };
    await withCluster("kills", connect, kill, dir, shares).finally(shares.stop);
  },
  120_000,
);

services.test(
  "one that is told to end gives back what it has first: no row twice, and exit code 0",
  async ({ zookeeper: { connect } }) => {
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
