import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { builtins } from "#plugins/index.ts";
import { createKafkaProducer } from "#src/clients/kafka/drivers.ts";
import { insecureParts } from "#src/config/insecure.ts";
import { requireConfig } from "#src/config/load.ts";
import type { DbusError } from "#src/errors.ts";
import { createRegistry } from "#src/plugin/registry.ts";
import { producerOptions } from "../../contract/kafka-producer.ts";
import { freePort } from "../../services/port.ts";
import { systemTool } from "../../services/system-tools.ts";
import { type Certificate, makeAuthority } from "../../support/certificates.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { waitFor } from "../../support/wait-for.ts";

const dir = tempDir("kafka-certificates");
const authority = await makeAuthority(dir);
const other = await makeAuthority(dir, "other");
const password = "canary-31f0aa77";

/** What comes of connecting to it, with a password that must not get out. */
async function attempt(port: number, ca: string): Promise<DbusError> {
  const producer = createKafkaProducer("kafkajs", {
    ...producerOptions(`127.0.0.1:${port}`),
    connectTimeoutMs: 3_000,
    tls: { ca, verify: true },
    sasl: { mechanism: "plain", username: "alice", password },
  });
  try {
    await producer.connect();
    throw new Error("it connected");
  } catch (error) {
    return error as DbusError;
  } finally {
    await producer.close();
  }
}

/** A TLS listener that keeps what is sent to it after the handshake. */
function listen({ cert, key }: Certificate) {
  let received = "";
  const server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    tls: { cert, key },
    socket: {
      data(socket, piece) {
        received += piece.toString("latin1");
        socket.end();
      },
    },
  });
  afterAll(() => server.stop(true));
  return { port: server.port, received: () => received };
}

test.each([
  ["has expired", { expired: true }, "expired"],
  ["is for another host", { san: "DNS:broker.example" }, "127.0.0.1"],
  ["is for another address", { san: "IP:127.0.0.2" }, "127.0.0.1"],
] as const)("S5: a broker whose certificate %s gets no word", async (what, options, says) => {
  const server = listen(await authority.issue(what.replaceAll(" ", "-"), options));
  const error = await attempt(server.port, authority.ca);
  expect(error.code).toBe("KAFKA_TLS");
  expect(error.message).toContain(says);
  expect(server.received()).toBe("");
});

test("S5: a broker whose certificate another authority has signed, or itself, gets no word", async () => {
  const server = listen(await other.issue("foreign"));
  const error = await attempt(server.port, authority.ca);
  expect(error.code).toBe("KAFKA_TLS");
  expect(server.received()).toBe("");
  const known = listen(await authority.issue("known"));
  await attempt(known.port, authority.ca);
  expect(known.received()).not.toBe("");
});

test("S5: a broker that speaks nothing newer than TLS 1.1 is refused", async () => {
  const { certFile, keyFile } = await authority.issue("old");
  const port = await freePort();
  const argv = [await systemTool("openssl"), "s_server", "-accept", `127.0.0.1:${port}`];
  const child = Bun.spawn(
    [...argv, "-cert", certFile, "-key", keyFile, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    { stdin: "pipe", stdout: "pipe", stderr: "ignore" },
  );
  try {
    const ready = async () => {
      const socket = await Bun.connect({
        hostname: "127.0.0.1",
        port,
        socket: { data() {} },
      }).catch(() => undefined);
      socket?.terminate();
      return socket !== undefined;
    };
    await waitFor(ready, { what: "the server of TLS 1.1" });
    const error = await attempt(port, authority.ca);
    expect(error.code).toBe("KAFKA_TLS");
    expect(error.message).toMatch(/version|protocol/i);
  } finally {
    child.kill("SIGKILL");
  }
});

const far = { name: "far", match: "*", brokers: ["kafka.example:9092"] };
const db = { name: "db", plugin: "MysqlbinlogInput", host: "db.example", user: "u" };

test.each([
  ["any certificate", { ...far, tls: { insecure: true } }, db, ["far: any certificate"]],
  [
    "a password in the clear",
    { ...far, sasl: { mechanism: "plain", username: "u", password } },
    db,
    ["far: the password goes over the network in the clear"],
  ],
  ["rows in the clear", far, { ...db, tls: "disable" }, ["db: rows come over the network in the"]],
  ["any server", far, { ...db, tls: "require" }, ["db: any certificate is trusted"]],
  ["any host name", far, { ...db, tls: "verify-ca" }, ["db: the host name in the certificate"]],
  ["nothing, which says nothing", far, db, []],
  [
    "nothing on this machine",
    { ...far, brokers: ["127.0.0.1:1"] },
    { ...db, host: "127.0.0.1" },
    [],
  ],
])("S5: a config that believes %s is warned of", async (_, output, input, said) => {
  const text = JSON.stringify({
    inputs: [input],
    outputs: [{ plugin: "KafkaOutput", ...output }],
  });
  const registry = createRegistry(builtins);
  const config = await requireConfig(join(dir, "c.yaml"), { registry, text, env: {} });
  const parts = insecureParts(config);
  expect(parts).toHaveLength(said.length);
  for (const [at, start] of said.entries()) expect(parts[at]).toStartWith(start);
  expect(parts.join()).not.toContain(password);
});
