import { expect } from "bun:test";
import {
  startZookeeperEnsemble,
  useStarted,
  type ZookeeperEnsemble,
} from "../../services/index.ts";
import { type BusCluster, busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import {
  allWork,
  movesOn,
  nothingIsLost,
  sumOf,
  watchCheckpoints,
} from "../../support/bus-cluster/cluster-checks.ts";
import { mockConfig } from "../../support/bus-cluster/mock-ledger.ts";
import { waitFor } from "../../support/index.ts";
import { tempDir } from "../../support/temp-dir.ts";

/*
 * ZooKeeper goes away, and the participants stay.
 */
const sessionTimeoutMs = 2_000;
const rate = 20;
/** How many rows take longer than a lease lasts. */
const beyondLease = (rate * sessionTimeoutMs) / 1_000;

const services = await useStarted("three ZooKeeper servers", () =>
  startZookeeperEnsemble({ tickMs: 200 }),
);

type Lost = "auto" | "pause" | "continue";

async function started(
  { connect }: ZookeeperEnsemble,
  pids: readonly string[],
  onCoordinatorLost: Lost,
): Promise<BusCluster> {
  const dir = tempDir(onCoordinatorLost);
  const name = `${onCoordinatorLost}-${pids.length}`;
  const config = mockConfig(dir, 6, rate);
  const cluster = { onCoordinatorLost };
  const made = busCluster({ connect, name, dir, sessionTimeoutMs, config, cluster });
  await Promise.all(pids.map((pid) => made.start(pid)));
  await allWork(made, pids);
  await movesOn(made, rate);
  return made;
}

function killAll({ servers }: ZookeeperEnsemble): void {
  for (const server of servers) server.kill("SIGKILL");
}

async function startAll({ servers }: ZookeeperEnsemble): Promise<void> {
  await Promise.all(servers.map((server) => server.restart()));
}

const inputs = Array.from({ length: 6 }, (_, n) => `in${n}`);

/** How many rows there are of each. */
const rowsOf = (cluster: BusCluster) => inputs.map((name) => sumOf(cluster, name).rows);

/** Resolves when nothing has been written for longer than rows of a running input are apart. */
async function standsStill(cluster: BusCluster, ms: number): Promise<void> {
  let last = rowsOf(cluster);
  let since = performance.now();
  const what = "nothing more to be written";
  await waitFor(
    () => {
      const now = rowsOf(cluster);
      if (!Bun.deepEquals(now, last)) {
        last = now;
        since = performance.now();
      }
      return performance.now() - since >= ms;
    },
    { what, timeoutMs: 20_000, intervalMs: 50 },
  );
}

/** The newest commit of each input. */
async function commitsOf(cluster: BusCluster): Promise<readonly number[]> {
  const owners = await cluster.owners();
  return await Promise.all(
    inputs.map(async (input) => {
      const text = await cluster.node(`/ckpt/${owners.get(input)?.rid}`);
      return text === null ? 0 : (JSON.parse(text) as { seq: number }).seq;
    }),
  );
}

services.test(
  "with one, two, all servers of ZooKeeper killed and everybody alive the rows keep flowing, under the same owners, none twice (faults 53, 55)",
  async (ensemble) => {
    const cluster = await started(ensemble, ["p1", "p2", "p3"], "auto");
    try {
      const before = await cluster.owners();
      const checkpoints = watchCheckpoints(cluster);
      for (const server of ensemble.servers) {
        server.kill("SIGKILL");
        await movesOn(cluster, beyondLease);
      }
      await startAll(ensemble);
      const commits = await commitsOf(cluster);
      await waitFor(
        async () => (await commitsOf(cluster)).every((seq, n) => seq > (commits[n] ?? 0)),
        { what: "every input to commit again", timeoutMs: 20_000, intervalMs: 100 },
      );
      await movesOn(cluster, rate);
      await checkpoints.end();
      // The same fences: no input was begun anew.
      expect(await cluster.owners()).toEqual(before);
      await nothingIsLost(cluster, 0);
    } finally {
      await cluster.stop();
    }
  },
  120_000,
);

/** What is left of a cluster of two without ZooKeeper and one of the two, by what it was told. */
const alone: Readonly<Record<Lost, (cluster: BusCluster, left: readonly string[]) => unknown>> = {
  // There is nobody to agree with.
  auto: async (cluster) => await standsStill(cluster, sessionTimeoutMs),
  pause: async (cluster) => await standsStill(cluster, sessionTimeoutMs),
  continue: async (cluster, left) => await movesOn(cluster, 2 * beyondLease, left),
};

services.test(
  "without ZooKeeper and one of the participants: auto and pause write nothing until it is back, continue goes on, nothing is lost (fault 55)",
  async (ensemble) => {
    const all = await Promise.all(
      (["auto", "pause", "continue"] as const).map(async (told) => ({
        told,
        cluster: await started(ensemble, ["p1", "p2"], told),
      })),
    );
    try {
      const owners = await Promise.all(all.map(({ cluster }) => cluster.owners()));
      const since = performance.now();
      killAll(ensemble);
      for (const { cluster } of all) cluster.daemons.get("p2")?.kill("SIGKILL");
      await Promise.all(
        all.map(async ({ told, cluster }, n) => {
          const left = inputs.filter((input) => owners[n]?.get(input)?.owner === "p1");
          await alone[told](cluster, left);
        }),
      );
      await startAll(ensemble);
      for (const { cluster } of all) {
        await cluster.settled(["p1"]);
        await movesOn(cluster, rate);
        // Of the dead one: what it wrote after its last commit. The other wrote nothing twice.
        await nothingIsLost(cluster, (rate * (performance.now() - since)) / 1_000);
      }
    } finally {
      await Promise.all(all.map(({ cluster }) => cluster.stop()));
    }
  },
  120_000,
);

services.test("the servers of this file are stopped", ({ stop }) => stop());
