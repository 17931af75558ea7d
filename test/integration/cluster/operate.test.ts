import { expect } from "bun:test";
import { runDbc } from "#src/cli/dbc.ts";
import { startZookeeper, useStarted } from "../../services/index.ts";
import { type BusCluster, busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import { mockConfig, mockLines, mockSum } from "../../support/bus-cluster/mock-ledger.ts";
import { waitFor } from "../../support/index.ts";
import { tempDir } from "../../support/temp-dir.ts";

/*
 * Three dbusd on one ZooKeeper, and a person who operates them by dbc alone.
 */
const services = await useStarted("ZooKeeper", () => startZookeeper({ tickMs: 200 }));
const everybody = ["p1", "p2", "p3"];
const inputs = 6;
const rate = 20;

async function dbc(cluster: BusCluster, by: string, args: string) {
  let out = "";
  let err = "";
  const code = await runDbc(args.split(" "), {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    env: { DBUS_ADMIN: cluster.daemons.get(by)?.adminUrl },
    terminal: false,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

type Row = Readonly<Record<string, unknown>>;

async function rows(cluster: BusCluster, by: string, verb: string): Promise<Row[]> {
  const { code, out, err } = await dbc(cluster, by, `${verb} --json`);
  if (code !== 0) throw new Error(`dbc ${verb} ended with ${code}: ${out}${err}`);
  return JSON.parse(out);
}

/** Runs it, and fails with what it said unless it ended well. */
async function done(cluster: BusCluster, by: string, args: string): Promise<string> {
  const { code, out, err } = await dbc(cluster, by, args);
  if (code !== 0) throw new Error(`dbc ${args} ended with ${code}: ${out}${err}`);
  return out;
}

const names = Array.from({ length: inputs }, (_, n) => `in${n}`);

services.test(
  "an operator moves, drains, weighs, upgrades and forgets by dbc, and no row is lost or comes twice",
  async ({ connect }) => {
    const dir = tempDir("operate");
    const config = mockConfig(dir, inputs, rate);
    const cluster = busCluster({ connect, name: "ops", dir, sessionTimeoutMs: 3_000, config });
    try {
      await Promise.all(everybody.map((pid) => cluster.start(pid)));
      await cluster.settled(everybody);
      await waitFor(
        async () => {
          const all = await rows(cluster, "p2", "participants");
          return all.map(({ id, resources }) => `${id} ${resources}`).join() === "p1 2,p2 2,p3 2";
        },
        { what: "two for each", timeoutMs: 30_000 },
      );
      expect(await done(cluster, "p1", "clusters")).toContain("3 participants  6 resources, ");

      const from = (await cluster.owners()).get("in0")?.owner ?? "";
      const to = everybody.find((pid) => pid !== from) ?? "";
      await done(cluster, from, `migrate in0 --to ${to} --wait 30`);
      expect((await cluster.owners()).get("in0")?.owner).toBe(to);

      // One participant after the other, as a script would: drain, restart, undrain, wait.
      const plan = JSON.parse(await done(cluster, "p1", "upgrade --plan --json"));
      const order = plan.steps.map(({ id }: { id: string }) => id) as string[];
      const leader = JSON.parse((await cluster.node("/leader")) ?? "{}").pid as string;
      expect([order.length, order.at(-1)]).toEqual([3, leader]);
      for (const id of order) {
        const other = everybody.find((pid) => pid !== id) ?? "";
        await done(cluster, other, `drain ${id} --wait 30`);
        expect(await cluster.daemons.get(id)?.stop()).toBe(0);
        await (await cluster.start(id)).ready();
        expect(await done(cluster, id, "participants")).toContain(`${id}: drained: dbc undrain`);
        await done(cluster, other, `undrain ${id}`);
        await done(cluster, other, `upgrade --wait-for ${id} --wait 30`);
      }
      const decided = () => rows(cluster, "p1", "decision --history --limit 100");
      const epochs = async () => new Set((await decided()).map(({ epoch }) => epoch));
      await waitFor(async () => (await epochs()).size === 2, { what: "a decision of each epoch" });
      expect([...(await epochs())].toSorted()).toEqual([1, 2]);
      expect(JSON.stringify(await decided())).toContain("somebody: drain");

      for (const name of names) {
        const { beyondGap, duplicates, disorder } = mockSum(mockLines(dir, name));
        expect({ name, beyondGap, duplicates, disorder }).toEqual({
          ...{ name, beyondGap: 0, duplicates: 0, disorder: 0 },
        });
      }

      await done(cluster, "p1", "weight p1 0");
      expect(await done(cluster, "p1", "rebalance --dry-run")).not.toContain("p1\n");
      await done(cluster, "p1", "weight p1 own");
      expect((await dbc(cluster, "p1", "forget p3")).err).toContain("[CLUSTER_REFUSED]");
      cluster.daemons.get("p3")?.kill("SIGKILL");
      await cluster.settled(["p1", "p2"]);
      await waitFor(async () => (await dbc(cluster, "p1", "forget p3")).code === 0, {
        what: "p3 to be forgotten",
      });
      const left = await rows(cluster, "p1", "participants");
      expect(left.map(({ id }) => id)).toEqual(["p1", "p2"]);
      const leads = await Promise.all(
        ["p1", "p2"].map(async (pid) => {
          const text = await (await fetch(`${cluster.daemons.get(pid)?.adminUrl}/metrics`)).text();
          return (
            /^dbus_cluster_leader 1$/m.test(text) && /^dbus_cluster_participants 2$/m.test(text)
          );
        }),
      );
      expect(leads.filter(Boolean)).toHaveLength(1);
    } finally {
      await cluster.stop();
    }
  },
  150_000,
);

services.test(
  "a version that does not speak what the cluster speaks ends with a code of its own, and touches nothing",
  async ({ connect }) => {
    const dir = tempDir("protocol");
    const config = mockConfig(dir, 1, rate);
    const cluster = busCluster({ connect, name: "newer", dir, sessionTimeoutMs: 3_000, config });
    try {
      const format = Buffer.from(JSON.stringify({ protoFinal: 9, protoMin: 8 }));
      if ((await cluster.session.exists("/dbus")) === null) {
        await cluster.session.create("/dbus", Buffer.from(""));
      }
      await cluster.session.create("/dbus/newer", Buffer.from(""));
      await cluster.session.create("/dbus/newer/format", format);
      const daemon = await cluster.start("p1");
      expect(await daemon.exited).toBe(7);
      expect(await daemon.log()).toContain("the cluster speaks protocol 9, and this dbusd 1 to 1");
      expect((await cluster.session.children("/dbus/newer")).names).toEqual(["format"]);
    } finally {
      await cluster.stop();
    }
  },
  60_000,
);
