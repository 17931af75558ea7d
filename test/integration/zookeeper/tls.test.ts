import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { ZkTls } from "#src/clients/zookeeper/connection.ts";
import { startZookeeper, useStarted } from "../../services/index.ts";
import { freePort } from "../../services/port.ts";
import { runDir } from "../../services/run-dir.ts";
import { bothWays, zkSession } from "../../support/zookeeper-session.ts";

const tlsDir = join(import.meta.dir, "../../fixtures/tls");
const pem = (name: string) => readFileSync(join(tlsDir, name), "utf8");

const services = await useStarted("ZooKeeper with TLS", async () => {
  const port = await freePort();
  const dir = await runDir("zookeeper-tls");
  // The server knows a PEM key store by its name alone.
  const keyStore = join(dir, "server.pem");
  await Bun.write(keyStore, pem("localhost-key.pem") + pem("localhost-cert.pem"));
  const zookeeper = await startZookeeper({
    properties: {
      secureClientPort: String(port),
      secureClientPortAddress: "127.0.0.1",
      serverCnxnFactory: "org.apache.zookeeper.server.NettyServerCnxnFactory",
      "ssl.keyStore.location": keyStore,
      "ssl.trustStore.location": join(tlsDir, "ca.pem"),
      "ssl.clientAuth": "none",
    },
  });
  return { zookeeper, port };
});
const both = bothWays(services, ({ zookeeper }) => zookeeper.connect);

const session = (at: string, tls: ZkTls, sessionTimeoutMs: number) =>
  zkSession(at, { tls, sessionTimeoutMs });

both("requests go over TLS to a server that is trusted", async ({ port }) => {
  const zk = session(`localhost:${port}`, { ca: pem("ca.pem") }, 10_000);
  await zk.create("/private", Buffer.from("x"));
  expect(Buffer.from((await zk.get("/private")).data).toString()).toBe("x");
  await zk.close();
});

both("S5: no other certificate is believed, by authority or by name", async ({ port }) => {
  const cases = [
    [`localhost:${port}`, { ca: pem("other-ca.pem") }],
    [`localhost:${port}`, {}],
    [`127.0.0.1:${port}`, { ca: pem("ca.pem") }],
  ] as const;
  for (const [at, tls] of cases) {
    const zk = session(at, tls, 1_000);
    const error = await zk.get("/").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "ZOOKEEPER_TLS" });
    expect(zk.state).toBe("connecting");
    await zk.close();
  }
});

services.test("the server of this file is stopped", ({ zookeeper }) => zookeeper.stop());
