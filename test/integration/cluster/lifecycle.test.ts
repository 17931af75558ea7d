import { expect } from "bun:test";
import { exitCodes } from "#src/cli/exit-code.ts";
import { statusSchema } from "#src/cluster/records.ts";
import { startZookeeper, useStarted, type ZookeeperService } from "../../services/index.ts";
import { freePort } from "../../services/port.ts";
import { type BusCluster, busCluster } from "../../support/bus-cluster/bus-cluster.ts";
import {
  allWork,
  leaderOf,
  movesOn,
  nothingIsLost,
} from "../../support/bus-cluster/cluster-checks.ts";
import { mockConfig } from "../../support/bus-cluster/mock-ledger.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { seededRandom, testSeed, waitFor } from "../../support/index.ts";
import { tempDir } from "../../support/temp-dir.ts";

/*
 * How participants begin and end, are told what to do, and do not agree on what there is.
 */
const sessionTimeoutMs = 2_000;
const rate = 20;
const both = ["p1", "p2"];

const services = await useStarted("ZooKeeper", () => startZookeeper({ tickMs: 200 }));

type Config = BusCluster["config"];

async function withCluster(
  name: string,
  { connect }: ZookeeperService,
  work: (cluster: BusCluster, config: Config) => Promise<void>,
  more: (config: Config) => Config = (config) => config,
): Promise<void> {
  const dir = tempDir(name);
  const config = more(mockConfig(dir, 4, rate));
  const cluster = busCluster({ connect, name, dir, sessionTimeoutMs, config });
  try {
    await work(cluster, config);
  } finally {
    await cluster.stop();
  }
}

/** Without that input, and without what only it feeds. */
function without(config: Config, input: string): Config {
  const outputs = config.outputs as readonly { readonly match: string }[];
  return {
    ...config,
    inputs: config.inputs.filter(({ name }) => name !== input),
    outputs: outputs.filter(({ match }) => match !== input),
  };
}

async function claimsOf(cluster: BusCluster, name: string): Promise<readonly string[]> {
  const { names } = await cluster.session.children(`/dbus/${name}/claim`);
  return await Promise.all(
    names.map(async (rid) => JSON.parse((await cluster.node(`/claim/${rid}`)) ?? "{}").pid),
  );
}

services.test(
  "killed and started again at once, with its old nodes still there: it waits for them, and is back (fault 59)",
  (zookeeper) =>
    withCluster("again", zookeeper, async (cluster) => {
      for (const pid of both) await cluster.start(pid);
      await allWork(cluster, both);
      await movesOn(cluster, rate);
      for (const pid of [await leaderOf(cluster), "p1"]) {
        const killed = cluster.daemons.get(pid);
        const inc = await cluster.node(`/participants/${pid}`);
        killed?.kill("SIGKILL");
        await killed?.exited;
        const daemon = await cluster.start(pid);
        await daemon.ready();
        expect(await cluster.node(`/participants/${pid}`)).not.toBe(inc);
        expect(await daemon.log()).not.toContain("takes no part in the cluster");
        await allWork(cluster, both);
        await movesOn(cluster, rate);
      }
      await nothingIsLost(cluster, 2 * rate * 3, 2);
    }),
  120_000,
);

services.test(
  "SIGTERM to who leads, who opens and who has lost ZooKeeper ends with its claims given back, and a second one ends it now (fault 73)",
  async (zookeeper) => {
    const port = await freePort();
    const nobody = { host: "127.0.0.1", port, user: "root", password: "" };
    const stuck = { name: "stuck", plugin: "MysqlbinlogInput", ...nobody, databases: ["a"] };
    const output = { name: "none", plugin: "MockOutput", match: "stuck" };
    const more = ({ inputs, outputs, ...rest }: Config): Config => ({
      ...rest,
      inputs: [...inputs, stuck],
      outputs: [...(outputs as readonly unknown[]), output],
    });
    const work = async (cluster: BusCluster, config: Config) => {
      await cluster.start("p1");
      await waitFor(async () => (await leaderOf(cluster)) === "p1", { what: "p1 to lead" });
      const opening = async () => {
        const rid = (await cluster.owners()).get("stuck")?.rid;
        const claim = await cluster.node(`/claim/${rid}`);
        return (
          claim?.includes('"opening"') === true && (await claimsOf(cluster, "ends")).length > 4
        );
      };
      await waitFor(opening, { what: "one to open and four to run", timeoutMs: 20_000 });
      expect(await cluster.daemons.get("p1")?.stop()).toBe(0);
      expect(await claimsOf(cluster, "ends")).toEqual([]);
      expect([await cluster.node("/leader"), await cluster.node("/participants/p1")]).toEqual([
        null,
        null,
      ]);
      // Without what is stuck: what is in flight can be delivered, and its commit cannot.
      const plain = without(config, "stuck");
      const lonely = await cluster.start("p2", plain);
      await waitFor(async () => (await claimsOf(cluster, "ends")).length === 4, { what: "p2" });
      await movesOn(cluster, rate, ["in0"]);
      zookeeper.kill("SIGSTOP");
      await movesOn(cluster, rate, ["in0"]);
      lonely.kill("SIGTERM");
      const code = await lonely.exited;
      zookeeper.kill("SIGCONT");
      // Its last checkpoint is missing.
      expect(code).toBe(exitCodes.state);
      await waitFor(async () => (await claimsOf(cluster, "ends")).length === 0, {
        ...{ what: "the session to end", timeoutMs: 20_000 },
      });
      // With a lease that outlasts the half second in which a second SIGTERM counts as the first.
      await cluster.start("p3", { ...plain, cluster: { sessionTimeoutMs: 4_000 } });
      await waitFor(async () => (await claimsOf(cluster, "ends")).length === 4, { what: "p3" });
      await movesOn(cluster, rate, ["in0"]);
      zookeeper.kill("SIGSTOP");
      const hasty = cluster.daemons.get("p3");
      const twice = () => {
        if (hasty?.running) hasty.kill("SIGTERM");
        return hasty?.running === false;
      };
      await waitFor(twice, { what: "the second SIGTERM to end it", intervalMs: 50 });
      zookeeper.kill("SIGCONT");
      expect(await hasty?.exited).toBe(143);
    };
    await withCluster("ends", zookeeper, work, more).finally(() => zookeeper.kill("SIGCONT"));
  },
  120_000,
);

services.test(
  "SIGTERM while the connection to ZooKeeper is lost for a moment: what is owned is given back when it is there again",
  (zookeeper) =>
    withCluster("blinks", zookeeper, async (cluster, config) => {
      const proxy = await faultProxy(zookeeper);
      const connect = `127.0.0.1:${proxy.port}/dbus`;
      try {
        const daemon = await cluster.start("p1", { ...config, cluster: { connect } });
        await cluster.settled(["p1"]);
        await movesOn(cluster, rate);
        const refusal = proxy.add({ type: "refuse" });
        const tries = proxy.stats().accepted;
        await waitFor(() => proxy.stats().accepted > tries, { what: "it to lose its connection" });
        daemon.kill("SIGTERM");
        const stops = async () => (await daemon.log()).includes("stopping: SIGTERM");
        await waitFor(stops, { what: "it to stop" });
        refusal.remove();
        expect(await daemon.stop()).toBe(0);
        expect(await claimsOf(cluster, "blinks")).toEqual([]);
        await nothingIsLost(cluster, 0, 1);
      } finally {
        await proxy.close();
      }
    }),
  60_000,
);

services.test(
  "an input that one participant alone has is reported by the other, and read by the one (fault 87)",
  (zookeeper) =>
    withCluster("differ", zookeeper, async (cluster, config) => {
      await cluster.start("p1");
      await waitFor(async () => (await leaderOf(cluster)) === "p1", { what: "p1 to lead" });
      await cluster.settled(["p1"]);
      await cluster.start("p2", without(config, "in3"));
      await waitFor(() => cluster.node("/participants/p2"), { what: "p2 to join" });
      const rid = (await cluster.owners()).get("in3")?.rid;
      const { adminUrl } = cluster.daemons.get("p1") ?? {};
      const answer = await fetch(`${adminUrl}/api/v1/cluster/migrate`, {
        ...{ method: "POST", headers: { "content-type": "application/json" } },
        body: JSON.stringify({ resource: "in3", to: "p2" }),
      });
      expect(answer.status).toBe(200);
      const said = async () => {
        const text = await cluster.node(`/status/${rid}`);
        return text === null ? undefined : statusSchema.parse(JSON.parse(text));
      };
      const status = await waitFor(said, { what: "p2 to say that it cannot", timeoutMs: 20_000 });
      expect([status.state, status.code, status.failedOn]).toEqual([
        ...["failed", "CLUSTER_INPUT_UNKNOWN", ["p2"]],
      ]);
      await waitFor(async () => (await cluster.owners()).get("in3")?.owner === "p1", {
        what: "p1 to have it again",
      });
      await cluster.settled(both);
      await movesOn(cluster, rate);
      const seen = await fetch(`${adminUrl}/api/v1/cluster/resources`);
      expect(await seen.text()).toContain("CLUSTER_INPUT_UNKNOWN");
      await nothingIsLost(cluster, 2 * rate, 2);
    }),
  120_000,
);

/** `DBUS_ORDERS=5000` is the long form. */
const orders = Number(process.env.DBUS_ORDERS ?? 120);

services.test(
  "orders that come at once, of every kind and to everybody, are all answered, and nothing is lost (fault 91)",
  (zookeeper) =>
    withCluster("orders", zookeeper, async (cluster, config) => {
      for (const pid of both) await cluster.start(pid);
      await allWork(cluster, both);
      const random = seededRandom(testSeed("orders"));
      const ask = async (method: "POST" | "PUT", pid: string, path: string, body?: unknown) => {
        const { adminUrl } = cluster.daemons.get(pid) ?? {};
        const answer = await fetch(`${adminUrl}/api/v1/${path}`, {
          ...{ method, headers: { "content-type": "application/json" } },
          body: body === undefined ? null : JSON.stringify(body),
        });
        return answer.ok ? 200 : await answer.text();
      };
      const post = (pid: string, path: string, body: unknown) => ask("POST", pid, path, body);
      const one = () => {
        const input = random.pick(config.inputs).name;
        const to = random.pick(["p1", "p2", null]);
        const kind = random.pick(["pause", "resume", "rebalance", "migrate", "weight"]);
        const pid = random.pick(both);
        if (kind === "rebalance") return post(pid, "cluster/rebalance", {});
        if (kind === "migrate") return post(pid, "cluster/migrate", { resource: input, to });
        if (kind !== "weight") return ask("PUT", pid, `${kind}/${input}`);
        const weight = random.pick([1, 2, null]);
        return post(pid, "cluster/weight", { participant: random.pick(both), weight });
      };
      const codes = new Set<number | string>();
      for (let n = 0; n < orders; n += 20) {
        for (const code of await Promise.all(Array.from({ length: 20 }, one))) codes.add(code);
      }
      expect([...codes]).toEqual([200]);
      for (const pid of both) {
        expect(await post(pid, "cluster/weight", { participant: pid, weight: null })).toBe(200);
        for (const { name } of config.inputs) {
          expect(await ask("PUT", pid, `resume/${name}`)).toBe(200);
        }
      }
      expect(await post("p1", "cluster/rebalance", {})).toBe(200);
      await allWork(cluster, both);
      await movesOn(cluster, rate);
      // Each is given back in good order: no row comes twice.
      await nothingIsLost(cluster, 0);
    }),
  120_000,
);

services.test("the server of this file is stopped", ({ stop }) => stop());
