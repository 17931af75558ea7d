import { expect } from "bun:test";
import { randomUUID } from "node:crypto";
import { createProtected } from "#src/clients/zookeeper/create-protected.ts";
import type { ZkEvent } from "#src/clients/zookeeper/port.ts";
import {
  startZookeeperEnsemble,
  useStarted,
  type ZookeeperEnsemble,
} from "../../services/index.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { waitFor } from "../../support/index.ts";
import { bothWays, failure, untilDone, zkSession } from "../../support/zookeeper-session.ts";

const tickMs = 200;
const sessionTimeoutMs = 3_000;

const services = await useStarted("three ZooKeeper servers", () =>
  startZookeeperEnsemble({ tickMs }),
);
const both = bothWays(services, ({ connect }) => connect);
const text = (value: string) => Buffer.from(value, "utf8");
/** Of `random`: leaves a list of hosts in its order. */
const inOrder = () => 0.999;

type Server = ZookeeperEnsemble["servers"][number];

/** The servers, the one in that role first. */
async function withFirst(ensemble: ZookeeperEnsemble, role: "leader" | "follower") {
  const roles = await Promise.all(ensemble.servers.map((server) => server.role()));
  const first = ensemble.servers[roles.indexOf(role)] as Server;
  return [first, ...ensemble.servers.filter((server) => server !== first)] as const;
}

const addressOf = (servers: readonly Server[]) => servers.map(({ connect }) => connect).join(",");

/** What must hold of a session whose server goes away: it lives, and so does what it holds. */
async function survives(
  ensemble: ZookeeperEnsemble,
  role: "leader" | "follower",
  fault: (server: Server) => Promise<void> | void,
  mend: (server: Server) => Promise<void> | void,
) {
  const servers = await withFirst(ensemble, role);
  const [victim, ...others] = servers;
  const zk = zkSession(addressOf(servers), { sessionTimeoutMs, random: inOrder });
  const other = zkSession(addressOf(others), { sessionTimeoutMs: 20_000 });
  const path = `/held-${randomUUID()}`;
  await zk.create(path, text("mine"), { mode: "ephemeral" });
  await zk.create(`${path}-watched`, text(""));
  const { id } = zk;
  const events: ZkEvent[] = [];
  await zk.get(`${path}-watched`, (event) => void events.push(event));

  await fault(victim);
  await waitFor(() => zk.states.includes("suspended"), { what: "the server to be left" });
  // Written while nobody could tell us: the next server does.
  await untilDone(() => other.set(`${path}-watched`, text("new"), 0).catch(alreadySet), "a write");
  await zk.becomes("connected");
  await waitFor(() => events.length > 0, { what: "the watch to be told what it missed" });
  expect(events).toEqual([{ kind: "changed", path: `${path}-watched` }]);
  const { stat } = await zk.get(path);
  expect([zk.id, stat.ephemeralOwner]).toEqual([id, id]);
  expect(zk.states).not.toContain("expired");
  await mend(victim);
  await Promise.all([zk.close(), other.close()]);
}

/** The answer of the write before it was lost, and the write was done. */
function alreadySet(thrown: unknown): void {
  if ((thrown as { reason?: string }).reason !== "bad_version") throw thrown;
}

async function killed(server: Server): Promise<void> {
  server.kill("SIGKILL");
}

async function whole(ensemble: ZookeeperEnsemble): Promise<void> {
  const serving = async () => {
    const roles = await Promise.all(ensemble.servers.map((server) => server.role()));
    return roles.filter((role) => role !== "none").length === ensemble.servers.length;
  };
  await waitFor(serving, { what: "all servers to serve", timeoutMs: 30_000, intervalMs: 50 });
}

for (const role of ["follower", "leader"] as const) {
  both(`a session outlives its ${role} that is killed, and misses nothing`, (ensemble) =>
    survives(ensemble, role, killed, async (server) => {
      await server.restart();
      await whole(ensemble);
    }),
  );

  both(`a ${role} that is stopped is left, long before the session ends`, (ensemble) =>
    survives(
      ensemble,
      role,
      (server) => server.kill("SIGSTOP"),
      async (server) => {
        server.kill("SIGCONT");
        await whole(ensemble);
      },
    ),
  );
}

both("when all servers were killed and are back the session goes on", async (ensemble) => {
  const zk = zkSession(ensemble.connect, { sessionTimeoutMs: 4_000 });
  const path = `/all-${randomUUID()}`;
  await zk.create(path, text("mine"), { mode: "ephemeral" });
  const { id } = zk;
  for (const server of ensemble.servers) server.kill("SIGKILL");
  await waitFor(() => zk.states.includes("suspended"), { what: "the servers to be missed" });
  await Promise.all(ensemble.servers.map((server) => server.restart()));
  await zk.becomes("connected", 30_000);
  expect([zk.id, (await zk.get(path)).stat.ephemeralOwner]).toEqual([id, id]);
  await zk.close();
});

both("after sync a follower knows what was written before", async (ensemble) => {
  const [follower, ...others] = await withFirst(ensemble, "follower");
  const reader = zkSession(addressOf([follower]), { sessionTimeoutMs });
  const writer = zkSession(addressOf(others), { sessionTimeoutMs });
  const path = `/sync-${randomUUID()}`;
  await writer.create(path, text("0"));
  for (let version = 0; version < 100; version++) {
    await writer.set(path, text(`${version + 1}`), version);
    await reader.sync(path);
    expect((await reader.get(path)).stat.version).toBe(version + 1);
  }
  await Promise.all([reader.close(), writer.close()]);
});

const opcode = { create: 15, setData: 5, event: 0 };

both("fault 56: a create whose answer is lost makes one node", async (ensemble) => {
  const proxy = await faultProxy(ensemble.servers[0] as Server, { protocol: "zookeeper" });
  const zk = zkSession(`127.0.0.1:${proxy.port}`, { sessionTimeoutMs });
  const parent = `/made-${randomUUID()}`;
  await zk.create(parent, text(""));
  const swallowed = proxy.add({ type: "swallow_reply", to: { zkOpcode: opcode.create } });
  const node = { parent, data: text("me"), mode: "ephemeral_sequential" as const };
  const path = await createProtected(zk, { ...node, guid: "one" });
  expect(swallowed.acted).toBe(1);
  expect((await zk.children(parent)).names.map((name) => `${parent}/${name}`)).toEqual([path]);
  // Without a lost answer the same call makes another, and finds none of its own.
  const next = await createProtected(zk, { ...node, guid: "two" });
  expect((await zk.children(parent)).names).toHaveLength(2);
  expect(next).not.toBe(path);
  await zk.close();
  await proxy.close();
});

both("fault 57: a write whose answer is lost is told to be unknown", async (ensemble) => {
  const proxy = await faultProxy(ensemble.servers[0] as Server, { protocol: "zookeeper" });
  const zk = zkSession(`127.0.0.1:${proxy.port}`, { sessionTimeoutMs });
  const path = `/unknown-${randomUUID()}`;
  await zk.create(path, text("old"));
  proxy.add({ type: "swallow_reply", to: { zkOpcode: opcode.setData } });
  const lost = { code: "ZOOKEEPER_CONNECTION_LOST", reason: "lost", outcomeUnknown: true };
  expect(await failure(zk.set(path, text("new"), 0))).toMatchObject(lost);
  const { data, stat } = await zk.get(path);
  expect([Buffer.from(data).toString(), stat.version]).toEqual(["new", 1]);
  await zk.close();
  await proxy.close();
});

both("an event that is lost with its connection comes over the next", async (ensemble) => {
  const proxy = await faultProxy(ensemble.servers[0] as Server, { protocol: "zookeeper" });
  const zk = zkSession(`127.0.0.1:${proxy.port}`, { sessionTimeoutMs });
  const other = zkSession(ensemble.connect, { sessionTimeoutMs });
  const path = `/event-${randomUUID()}`;
  await zk.create(path, text(""));
  const { promise, resolve } = Promise.withResolvers<ZkEvent>();
  await zk.get(path, resolve);
  const swallowed = proxy.add({ type: "swallow_reply", to: { zkOpcode: opcode.event } });
  await other.set(path, text("new"), 0);
  expect(await promise).toEqual({ kind: "changed", path });
  expect([swallowed.acted, zk.states.filter((state) => state === "suspended")]).toEqual([
    1,
    ["suspended"],
  ]);
  await Promise.all([zk.close(), other.close()]);
  await proxy.close();
});

both("a session that expires while we are away is told so, once", async (ensemble) => {
  const proxy = await faultProxy(ensemble.servers[0] as Server);
  const zk = zkSession(`127.0.0.1:${proxy.port}`, { sessionTimeoutMs: 1_000 });
  const other = zkSession(ensemble.connect, { sessionTimeoutMs: 10_000 });
  const path = `/away-${randomUUID()}`;
  await zk.create(path, text(""), { mode: "ephemeral" });
  await zk.create(`${path}-stays`, text(""));
  const events: ZkEvent[] = [];
  await zk.get(`${path}-stays`, (event) => void events.push(event));
  const { promise: gone, resolve } = Promise.withResolvers<ZkEvent>();
  await other.exists(path, resolve);
  proxy.add({ type: "refuse" });
  proxy.cut();
  await gone;
  expect(zk.state).toBe("suspended");
  const waiting = zk.get(path);
  proxy.heal();
  expect(await failure(waiting)).toMatchObject({ code: "ZOOKEEPER_SESSION_EXPIRED" });
  expect(zk.states).toEqual(["connected", "suspended", "expired"]);
  expect(events).toEqual([{ kind: "lost", path: `${path}-stays` }]);
  expect(await failure(zk.set(path, text(""), 0))).toMatchObject({ reason: "expired" });
  await Promise.all([zk.close(), other.close()]);
  expect(zk.state).toBe("expired");
  await proxy.close();
});

services.test("the servers of this file are stopped", (ensemble) => ensemble.stop());
