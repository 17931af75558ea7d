import { expect } from "bun:test";
import { systemClock } from "#src/clock.ts";
import { leaseOf } from "#src/cluster/lease.ts";
import { startZookeeper, useStarted } from "../../services/index.ts";
import { freePort } from "../../services/port.ts";
import { faultProxy } from "../../support/fault-proxy.ts";
import { waitFor } from "../../support/index.ts";
import { bothWays, zkSession } from "../../support/zookeeper-session.ts";

const sessionTimeoutMs = 3_000;

/*
 * Two servers of three, and a third that follows their leader through a proxy. Cut off from it, the
 * third goes on for as long as `syncLimit` lets it, which is longer than a session lasts, as it is
 * where ZooKeeper and dbus are set up as they come.
 */
const services = await useStarted("three ZooKeeper servers", async () => {
  const peers = await Promise.all([0, 1, 2].map(async () => [await freePort(), await freePort()]));
  const proxies = await Promise.all(
    peers.map(async ([port = 0]) => await faultProxy({ port }, { seed: 1 })),
  );
  const start = (id: number, portOf: (n: number) => number | undefined) => {
    const lines = peers.map(([, election], n) => [
      `server.${n + 1}`,
      `127.0.0.1:${n === id - 1 ? peers[n]?.[0] : portOf(n)}:${election}`,
    ]);
    const properties = { initLimit: "40", syncLimit: "40", ...Object.fromEntries(lines) };
    return startZookeeper({ tickMs: 200, id, properties });
  };
  const near = await Promise.all([1, 2].map((id) => start(id, (n) => peers[n]?.[0])));
  const far = await start(3, (n) => proxies[n]?.port);
  return { near, far, proxies };
});
const both = bothWays(services, ({ near }) => near.map(({ connect }) => connect).join(","));

both(
  "a session has no lease any more when it ends, though a server that is cut off from its leader answers",
  async ({ near, far, proxies }) => {
    const other = zkSession(near.map(({ connect }) => connect).join(","));
    const zk = zkSession(far.connect, { sessionTimeoutMs });
    const lease = leaseOf(zk, systemClock);
    const path = `/held-${crypto.randomUUID()}`;
    try {
      await zk.create(path, Buffer.from(""), { mode: "ephemeral" });
      await waitFor(() => lease.leftMs > sessionTimeoutMs / 2, { what: "a lease" });
      expect(await other.exists(path)).not.toBeNull();
      for (const proxy of proxies) proxy.add({ type: "blackhole" });
      await waitFor(async () => (await other.exists(path)) === null, { what: "its end" });
      expect(lease.valid).toBe(false);
    } finally {
      for (const proxy of proxies) proxy.heal();
      await waitFor(() => zk.state === "expired", { what: "it to learn of it", timeoutMs: 30_000 });
      await Promise.all([zk.close(), other.close()]);
    }
  },
);

services.test("the servers of this file are stopped", async ({ near, far, proxies }) => {
  await Promise.all([far, ...near].map((server) => server.stop()));
  await Promise.all(proxies.map((proxy) => proxy.close()));
});
