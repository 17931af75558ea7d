import { expect } from "bun:test";
import { join } from "node:path";
import type { ClusterSummary } from "#src/api/cluster-port.ts";
import { startZookeeper, useStarted } from "../../services/index.ts";
import { freePort } from "../../services/port.ts";
import { type BusCluster, busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import {
  allWork,
  epochOf,
  leaderOf,
  movesOn,
  nothingIsLost,
  sumOf,
} from "../../support/bus-cluster/cluster-checks.ts";
import { mockConfig } from "../../support/bus-cluster/mock-ledger.ts";
import { waitFor } from "../../support/index.ts";
import { tempDir } from "../../support/temp-dir.ts";

/*
 * What operators do to the nodes of a cluster, and what ZooKeeper does not allow.
 */
const sessionTimeoutMs = 2_000;
const rate = 20;
const both = ["p1", "p2"];

const services = await useStarted("ZooKeeper", () => startZookeeper({ tickMs: 200 }));

async function withCluster(
  name: string,
  { connect }: { readonly connect: string },
  work: (cluster: BusCluster, at: (path: string) => string) => Promise<void>,
): Promise<void> {
  const dir = tempDir(name);
  const config = mockConfig(dir, 4, rate);
  const cluster = busCluster({ connect, name, dir, sessionTimeoutMs, config });
  try {
    await Promise.all(both.map((pid) => cluster.start(pid)));
    await allWork(cluster, both);
    await work(cluster, (path) => `/dbus/${name}${path}`);
  } finally {
    await cluster.stop();
  }
}

async function summaryOf(cluster: BusCluster, pid: string): Promise<ClusterSummary | undefined> {
  const { adminUrl } = cluster.daemons.get(pid) ?? {};
  const answer = await fetch(`${adminUrl}/api/v1/clusters`);
  return ((await answer.json()) as readonly ClusterSummary[])[0];
}

async function troubleOf(cluster: BusCluster, pid: string, code: string): Promise<void> {
  const what = `${pid} to say ${code}`;
  const said = async () => (await summaryOf(cluster, pid))?.trouble?.code === code;
  await waitFor(said, { what, timeoutMs: 20_000, intervalMs: 50 });
}

services.test(
  "an epoch that is deleted comes back no lower, and costs nobody a row (fault 63)",
  (zookeeper) =>
    withCluster("epoch", zookeeper, async (cluster, at) => {
      // So that it is not the first.
      const first = await leaderOf(cluster);
      cluster.daemons.get(first)?.kill("SIGKILL");
      await cluster.settled(both.filter((pid) => pid !== first));
      await cluster.start(first);
      await allWork(cluster, both);
      expect(await epochOf(cluster)).toBe(2);
      const { session } = cluster;
      const { stat } = await session.get(at("/leader_epoch"));
      await session.delete(at("/leader_epoch"), stat.version);
      await waitFor(async () => (await epochOf(cluster)) >= 2, { what: "the epoch to be back" });
      await movesOn(cluster, rate);
      // Who led has lost its right by then, or does at its next decision, and takes a new epoch.
      const next = await leaderOf(cluster);
      cluster.daemons.get(next)?.kill("SIGKILL");
      await cluster.settled(both.filter((pid) => pid !== next));
      expect(await epochOf(cluster)).toBeGreaterThan(2);
      await nothingIsLost(cluster, 2 * rate * 3);
    }),
  120_000,
);

services.test(
  "an epoch of an older day stops who knows a newer one, with a code, until it is mended (faults 63, 66)",
  (zookeeper) =>
    withCluster("backup", zookeeper, async (cluster, at) => {
      const { session } = cluster;
      const write = async (epoch: number) => {
        const { stat } = await session.get(at("/leader_epoch"));
        await session.set(
          at("/leader_epoch"),
          Buffer.from(JSON.stringify({ epoch })),
          stat.version,
        );
      };
      await movesOn(cluster, rate);
      await write(0);
      for (const pid of both) await troubleOf(cluster, pid, "CLUSTER_EPOCH_REGRESSION");
      expect((await fetch(`${cluster.daemons.get("p1")?.adminUrl}/readyz`)).status).toBe(503);
      const still = both.map((pid) => cluster.daemons.get(pid)?.running);
      expect(still).toEqual([true, true]);
      expect(await epochOf(cluster)).toBe(0);
      // As after a restart, when the number is only in the data folder.
      cluster.daemons.get("p1")?.kill("SIGKILL");
      await cluster.start("p1");
      await troubleOf(cluster, "p1", "CLUSTER_EPOCH_REGRESSION");
      const rows = sumOf(cluster, "in0").rows;
      await write(7);
      await allWork(cluster, both);
      expect(await epochOf(cluster)).toBe(8);
      await movesOn(cluster, rate);
      expect(sumOf(cluster, "in0").rows).toBeGreaterThan(rows);
      await nothingIsLost(cluster, 2 * rate * 3, 2);
    }),
  120_000,
);

services.test(
  "resources that are deleted get no second owner: who reads them goes on, and the leader says what is missing (fault 63)",
  (zookeeper) =>
    withCluster("resources", zookeeper, async (cluster, at) => {
      const owners = await cluster.owners();
      const leader = await leaderOf(cluster);
      const saved = new Map<string, Uint8Array>();
      for (const { rid } of owners.values()) {
        const path = at(`/resources/${rid}`);
        const { data, stat } = await cluster.session.get(path);
        saved.set(path, data);
        await cluster.session.delete(path, stat.version);
      }
      await troubleOf(cluster, leader, "CLUSTER_STATE_CORRUPT");
      await movesOn(cluster, 2 * rate);
      expect((await cluster.session.children(at("/assign"))).names).toHaveLength(owners.size);
      for (const [path, data] of saved) await cluster.session.create(path, data);
      await waitFor(async () => (await summaryOf(cluster, leader))?.trouble === null, {
        ...{ what: "the leader to decide again", timeoutMs: 20_000 },
      });
      expect(await cluster.settled(both)).toEqual(owners);
      await nothingIsLost(cluster, 0);
    }),
  120_000,
);

services.test(
  "credentials that ZooKeeper refuses end the membership and nothing else: local inputs go on (fault 64)",
  async ({ connect }) => {
    const dir = tempDir("denied");
    const name = "denied";
    const shared = mockConfig(dir, 1, rate);
    const port = await freePort();
    const file = join(dir, "local.ndjson");
    const config = {
      ...shared,
      inputs: [...shared.inputs, { name: "local", plugin: "HttpInput", port }],
      outputs: [...shared.outputs, { name: "copy", plugin: "StreamOutput", match: "local", file }],
    };
    const made = (auth: string) =>
      busCluster({ connect, name, dir, sessionTimeoutMs, config: shared, cluster: { auth } });
    const [owner, intruder] = [made("dbus:right"), made("dbus:wrong")];
    try {
      await owner.start("p1");
      await owner.daemons.get("p1")?.ready();
      await intruder.start("p2", config);
      await troubleOf(intruder, "p2", "ZOOKEEPER_DENIED");
      const log = (await intruder.daemons.get("p2")?.log()) ?? "";
      expect(log.match(/takes no part in the cluster/g)).toHaveLength(1);
      expect(log).not.toContain("dbus:wrong");
      const post = {
        method: "POST",
        body: '{"a":"line"}',
        headers: { "content-type": "application/json" },
      };
      expect((await fetch(`http://127.0.0.1:${port}/`, post)).status).toBe(202);
      expect(await Bun.file(file).text()).toContain("line");
      expect(await intruder.daemons.get("p2")?.stop()).toBe(0);
      // Whose nodes they are goes on as well.
      await movesOn(owner, rate);
    } finally {
      await Promise.all([owner.stop(), intruder.stop()]);
    }
  },
  120_000,
);

services.test("the server of this file is stopped", ({ stop }) => stop());
