import { expect } from "bun:test";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { connectZookeeper } from "#src/clients/zookeeper/connection.ts";
import { systemClock } from "#src/clock.ts";
import {
  startToxiproxy,
  startZookeeper,
  type Proxy as Toxiproxied,
  useStarted,
} from "../../services/index.ts";
import { holdsFor, waitFor } from "../../support/index.ts";
import {
  bothWays,
  untilDone,
  type WatchedSession,
  zkSession,
} from "../../support/zookeeper-session.ts";

const services = await useStarted("ZooKeeper and Toxiproxy", async () => ({
  zookeeper: await startZookeeper({ tickMs: 100 }),
  toxiproxy: await startToxiproxy(),
}));
const both = bothWays(services, ({ zookeeper }) => zookeeper.connect);

const none = new Uint8Array(0);
const sessionTimeoutMs = 1_500;

/** A session through a proxy of its own, and an ephemeral node that lives as long as it. */
async function held(
  { zookeeper, toxiproxy }: Parameters<Parameters<typeof services.test>[1]>[0],
  use: (zk: WatchedSession, proxy: Toxiproxied, path: string) => Promise<void>,
): Promise<void> {
  const proxy = await toxiproxy.proxy(zookeeper.connect);
  const zk = zkSession(`127.0.0.1:${proxy.port}`, { sessionTimeoutMs });
  const path = `/held-${randomUUID()}`;
  await zk.create(path, none, { mode: "ephemeral" });
  await use(zk, proxy, path);
  await zk.close();
}

both("a connection that is cut is made anew, under the same session", (all) =>
  held(all, async (zk, proxy, path) => {
    const { id } = zk;
    for (let n = 0; n < 5; n++) {
      await proxy.setEnabled(false);
      await zk.becomes("suspended");
      await proxy.setEnabled(true);
      await zk.becomes("connected");
    }
    expect([zk.id, (await zk.get(path)).stat.ephemeralOwner]).toEqual([id, id]);
  }),
);

both("one that stalls is left within a third of the session's timeout", (all) =>
  held(all, async (zk, proxy) => {
    // Bandwidth 0 lets nothing through and closes nothing.
    const toxics = await Promise.all(
      (["upstream", "downstream"] as const).map((stream) =>
        proxy.addToxic({ type: "bandwidth", stream, attributes: { rate: 0 } }),
      ),
    );
    const since = performance.now();
    await zk.becomes("suspended");
    // The session would be ended by the server after its whole timeout.
    expect(performance.now() - since).toBeLessThan(sessionTimeoutMs);
    for (const toxic of toxics) await proxy.removeToxic(toxic);
    await waitFor(() => zk.state !== "suspended", { what: "a way to the server" });
  }),
);

both("a slow way costs neither connection nor session", (all) =>
  held(all, async (zk, proxy, path) => {
    await proxy.addToxic({ type: "latency", attributes: { latency: 120, jitter: 60 } });
    await proxy.addToxic({ type: "slicer", attributes: { average_size: 3, delay: 50 } });
    for (let n = 0; n < 3; n++) await zk.get(path);
    const what = "a connected session";
    await holdsFor(() => zk.state === "connected", { ms: sessionTimeoutMs, what });
    expect(zk.states).toEqual(["connected"]);
  }),
);

both("what was heard of the server tells how long the session surely lives", (all) =>
  held(all, async (zk, proxy) => {
    const before = zk.heard?.now ?? 0;
    await waitFor(() => (zk.heard?.now ?? 0) > before, { what: "the leader to answer" });
    await proxy.setEnabled(false);
    await zk.becomes("suspended");
    const { now = 0 } = zk.heard ?? {};
    await holdsFor(() => zk.heard?.now === now, { ms: 300, what: "no word from a server" });
    expect(now).toBeLessThan(performance.now());
    await proxy.setEnabled(true);
  }),
);

services.test(
  "a client that was stopped beyond its session learns that it has ended",
  async (all) => {
    const { zookeeper } = all;
    const other = zkSession(zookeeper.connect, { sessionTimeoutMs: 2_000 });
    const path = `/stopped-${randomUUID()}`;
    const program = join(import.meta.dir, "../../fixtures/zookeeper-holder.ts");
    const child = Bun.spawn([process.execPath, program, zookeeper.connect, path, "1000"], {
      stdout: "pipe",
      stderr: "inherit",
    });
    let said = "";
    const reading = (async () => {
      for await (const chunk of child.stdout) said += Buffer.from(chunk).toString();
    })();
    await waitFor(() => said.includes("held"), { what: "the node to be held" });
    child.kill("SIGSTOP");
    await waitFor(async () => (await other.exists(path)) === null, { what: "the session to end" });
    expect(said).toBe("connected\nheld\n");
    child.kill("SIGCONT");
    await waitFor(() => said.includes("expired"), { what: "the client to be told" });
    expect(said).toMatch(/^connected\nheld\nsuspended\nexpired\n$/);
    expect(await other.exists(path)).toBeNull();
    child.kill("SIGKILL");
    await Promise.all([child.exited, reading, other.close()]);
  },
);

both("a second client that guesses at a session is refused, the first goes on", (all) =>
  held(all, async (zk, _proxy, path) => {
    const [host = "", port = ""] = all.zookeeper.connect.split(":");
    const hello = { lastZxid: 0n, timeoutMs: 5_000, session: zk.id, password: new Uint8Array(16) };
    const ignored = { onFrame() {}, onHeard() {}, onClosed() {} };
    const thief = await connectZookeeper(
      { host, port: Number(port) },
      { hello, tls: undefined, clock: systemClock, timeoutMs: 2_000, ...ignored },
    );
    // A timeout of 0 is how a server says that there is no such session.
    expect([thief.welcome.timeoutMs, thief.welcome.session]).toEqual([0, 0n]);
    thief.close();
    // The server drops the first connection before it looks at the password; the session stays.
    const { id } = zk;
    const { stat } = await untilDone(() => zk.get(path), "the node to be read");
    expect([zk.id, stat.ephemeralOwner]).toEqual([id, id]);
    expect(zk.states).not.toContain("expired");
  }),
);

services.test("the servers of this file are stopped", async ({ zookeeper, toxiproxy }) => {
  await Promise.all([zookeeper.stop(), toxiproxy.stop()]);
});
