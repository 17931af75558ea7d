import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startZookeeperEnsemble } from "../services/index.ts";
import { type BusCluster, busCluster } from "../support/bus-cluster/bus-cluster.ts";
import { mockConfig, mockLines } from "../support/bus-cluster/mock-ledger.ts";
import { waitFor } from "../support/wait-for.ts";
import { type Bench, type BenchOptions, say } from "./bench.ts";
import type { Result } from "./result.ts";

const sessionTimeoutMs = 4_000;
const everybody = ["p1", "p2", "p3"];
const inputs = 6;
const rate = 100;

/** Kills owners and leaders of a cluster on three ZooKeeper servers, one after the other. */
export const takeover: Bench = {
  name: "takeover",
  summary:
    "how long rows and decisions stand still when an owner or the leader is killed, or leaves",
  peers: [],
  defaults: { seconds: 0, rows: 30 },
  run,
};

async function run({ rows: rounds }: BenchOptions): Promise<readonly Result[]> {
  const zookeeper = await startZookeeperEnsemble({ tickMs: 200 });
  const dir = mkdtempSync(join(tmpdir(), "dbus-takeover-"));
  const { connect } = zookeeper;
  const config = mockConfig(dir, inputs, rate);
  const cluster = busCluster({ connect, name: "takeover", dir, sessionTimeoutMs, config });
  const rowMs: number[] = [];
  const decisionMs: number[] = [];
  const handoverMs: number[] = [];
  const readyMs: number[] = [];
  try {
    await Promise.all(everybody.map((pid) => cluster.start(pid)));
    for (let round = 0; round < rounds; round++) {
      rowMs.push(await killOwner(cluster));
      decisionMs.push(await killLeader(cluster));
      const left = await endOwner(cluster);
      handoverMs.push(left.gapMs);
      readyMs.push(left.readyMs);
      const all = [rowMs, decisionMs, handoverMs, readyMs].map((times) => `${times.at(-1)} ms`);
      say(`round ${round + 1} of ${rounds}: ${all.join(", ")}`);
    }
  } finally {
    await cluster.stop();
    await zookeeper.stop();
    rmSync(dir, { recursive: true, force: true });
  }
  return [
    ...casesOf("owner killed, first row by the next", rowMs),
    ...casesOf("leader killed, next decision", decisionMs),
    ...casesOf("owner told to end, between its last row and the next", handoverMs),
    ...casesOf("start to ready as a participant", readyMs),
  ];
}

/** All are there, and each has something. */
async function whole(cluster: BusCluster): Promise<void> {
  await waitFor(
    async () => {
      const owners = await cluster.settled(everybody);
      const shares = new Set([...owners.values()].map(({ owner }) => owner));
      return shares.size === everybody.length;
    },
    { timeoutMs: 60_000, intervalMs: 100, what: "a share for everybody" },
  );
}

async function leaderOf(cluster: BusCluster): Promise<string> {
  return JSON.parse((await cluster.node("/leader")) ?? "{}").pid as string;
}

const micros = () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1_000));

/** Milliseconds from the kill to the first row that another wrote of what it had. */
async function killOwner(cluster: BusCluster): Promise<number> {
  await whole(cluster);
  const leader = await leaderOf(cluster);
  const owners = await cluster.owners();
  const victim = everybody.find((pid) => pid !== leader) as string;
  const [input] = [...owners].find(([, { owner }]) => owner === victim) as [string, unknown];
  const killedAt = micros();
  await kill(cluster, victim);
  const first = await waitFor(
    () => {
      const lines = mockLines(cluster.dir, input);
      return lines.find(({ by, at }) => by !== victim && at / 1_000n > killedAt);
    },
    { timeoutMs: 60_000, intervalMs: 100, what: "the first row of the next owner" },
  );
  await cluster.start(victim);
  return Number((first.at / 1_000n - killedAt) / 1_000n);
}

/** Milliseconds from the kill to the first decision of the next epoch, as ZooKeeper stamps it. */
async function killLeader(cluster: BusCluster): Promise<number> {
  await whole(cluster);
  const victim = await leaderOf(cluster);
  const epochOf = async () => JSON.parse((await cluster.node("/decision")) ?? "{}").epoch as number;
  const before = JSON.parse((await cluster.node("/leader_epoch")) ?? "{}").epoch as number;
  const killedAt = Date.now();
  await kill(cluster, victim);
  await waitFor(async () => (await epochOf()) > before, {
    ...{ timeoutMs: 60_000, intervalMs: 10, what: "a decision of the next epoch" },
  });
  const { stat } = await cluster.session.get("/dbus/takeover/decision");
  await cluster.start(victim);
  return stat.changedAt - killedAt;
}

/** How long each resource stands still when its owner leaves in good order, and how soon it is back. */
async function endOwner(cluster: BusCluster): Promise<{ gapMs: number; readyMs: number }> {
  await whole(cluster);
  const leader = await leaderOf(cluster);
  const owners = await cluster.owners();
  const leaver = everybody.find((pid) => pid !== leader) as string;
  const its = [...owners].filter(([, { owner }]) => owner === leaver).map(([input]) => input);
  const toldAt = micros();
  await cluster.daemons.get(leaver)?.stop();
  const gaps = await Promise.all(
    its.map((input) =>
      waitFor(
        () => {
          const lines = mockLines(cluster.dir, input);
          const next = lines.findIndex(({ by, at }) => by !== leaver && at / 1_000n > toldAt);
          const [before, first] = [lines[next - 1], lines[next]];
          return before && first ? { ms: Number((first.at - before.at) / 1_000_000n) } : undefined;
        },
        { timeoutMs: 60_000, intervalMs: 100, what: `the next owner of ${input}` },
      ),
    ),
  );
  const startedAt = performance.now();
  const daemon = await cluster.start(leaver);
  await daemon.ready();
  const readyMs = Math.round(performance.now() - startedAt);
  return { gapMs: Math.max(...gaps.map(({ ms }) => ms)), readyMs };
}

async function kill(cluster: BusCluster, pid: string): Promise<void> {
  const daemon = cluster.daemons.get(pid);
  daemon?.kill("SIGKILL");
  await daemon?.exited;
}

function casesOf(name: string, times: readonly number[]): readonly Result[] {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
  const unit = `ms (session ${sessionTimeoutMs})`;
  return (["p50", "p99"] as const).map((which) => ({
    ...{ case: `${name}, ${which}`, rate: at(which === "p50" ? 0.5 : 0.99), unit },
    ...{ rssMiBMax: 0, cpuSeconds: 0 },
  }));
}
