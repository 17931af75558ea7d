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
import { mockConfig, mockLines } from "../../support/bus-cluster/mock-ledger.ts";
import { holdsFor, waitFor } from "../../support/index.ts";
import { makeNetwork, type Network } from "../../support/net-namespaces.ts";
import { tempDir } from "../../support/temp-dir.ts";

/*
 * One participant is on the other side of a router that loses what it is told to lose: ZooKeeper
 * and the other participants are all out of its reach, and nobody closes a connection.
 */
const sessionTimeoutMs = 2_000;
const rate = 20;
const far = "far";
const near = ["p1", "p2"];

const services = await useStarted("ZooKeeper behind a router", async () => {
  const network = await makeNetwork();
  const zookeeper = await startZookeeper({ tickMs: 200, host: network.us });
  return { network, zookeeper };
});

type Direction = Parameters<Network["lose"]>[0];

const namesOf = ({ config }: BusCluster) => config.inputs.map(({ name }) => name);

/** How many rows the far one has written, of all inputs. */
function writtenFar(cluster: BusCluster): number {
  const lines = namesOf(cluster).flatMap((name) => mockLines(cluster.dir, name));
  return lines.filter(({ by }) => by === far).length;
}

/** Loses these directions until the others have everything, and lets it come back. */
async function cutOff(cluster: BusCluster, network: Network, lost: readonly Direction[]) {
  const heal = await Promise.all(lost.map((direction) => network.lose(direction)));
  await cluster.settled(near);
  expect(await cluster.node(`/participants/${far}`)).toBeNull();
  const written = writtenFar(cluster);
  await movesOn(cluster, rate);
  await holdsFor(() => writtenFar(cluster) === written, {
    ...{ ms: sessionTimeoutMs, intervalMs: 100, what: "nothing from who is cut off" },
  });
  for (const end of heal) await end();
  await waitFor(() => cluster.node(`/participants/${far}`), {
    ...{ what: "the far one to be back", timeoutMs: 30_000 },
  });
  await allWork(cluster, [far, ...near]);
  await movesOn(cluster, rate);
}

services.test(
  "who is cut off, leading or not, in both directions or in one, writes nothing after its lease; others have its work, and it comes back (faults 54, 67)",
  async ({ network, zookeeper: { connect } }) => {
    const dir = tempDir("partition");
    const config = mockConfig(dir, 6, rate);
    const { namespace, host } = network.servers;
    const cluster = busCluster({
      ...{ connect, name: "partition", dir, sessionTimeoutMs, config },
      prefix: (pid) => (pid === far ? ["ip", "netns", "exec", namespace] : []),
      hostOf: (pid) => (pid === far ? host : network.us),
    });
    try {
      await cluster.start(far);
      await waitFor(async () => (await leaderOf(cluster)) === far, { what: "the far one to lead" });
      await Promise.all(near.map((pid) => cluster.start(pid)));
      await allWork(cluster, [far, ...near]);
      const checkpoints = watchCheckpoints(cluster);
      await movesOn(cluster, rate);
      await cutOff(cluster, network, ["to us", "to the servers"]);
      expect([near.includes(await leaderOf(cluster)), await epochOf(cluster)]).toEqual([true, 2]);
      await cutOff(cluster, network, ["to us"]);
      await cutOff(cluster, network, ["to the servers"]);
      await checkpoints.end();
      expect(await epochOf(cluster)).toBe(2);
      // What it wrote within its lease, after its last commit, and a commit that was on its way.
      await nothingIsLost(cluster, 3 * rate * 3);
    } finally {
      await cluster.stop();
    }
  },
  180_000,
);

services.test("the server of this file is stopped", async ({ network, zookeeper }) => {
  await zookeeper.stop();
  await network.close();
});
