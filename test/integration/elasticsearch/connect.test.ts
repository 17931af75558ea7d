import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { esOutput } from "#plugins/output/es/es-output.ts";
import { guardedLookup } from "#src/clients/elasticsearch/address-guard.ts";
import { type DbusError, toDbusError } from "#src/errors.ts";
import { useServices } from "../../services/index.ts";
import { freePort } from "../../services/port.ts";
import { systemTool } from "../../services/system-tools.ts";
import { driveOutput } from "../../support/drive-output.ts";
import { type EsGate, type GateRules, startEsGate } from "../../support/es-gate.ts";
import { esPeer, freshName } from "../../support/es-peer.ts";
import { placedRows } from "../../support/placed-rows.ts";
import { waitFor } from "../../support/wait-for.ts";

/** Logins, TLS and odd answers, before a real node: its security is a module that it has not. */
const services = await useServices("elasticsearch");
const tlsDir = join(import.meta.dir, "../../fixtures/tls");
const read = (name: string) => readFileSync(join(tlsDir, name), "utf8");
const certificate = { cert: read("localhost-cert.pem"), key: read("localhost-key.pem") };
const ca = read("ca.pem");

/** Opens an output at that address and writes a row; what stood in the way, or undefined. */
async function attempt(url: string, config: object = {}): Promise<DbusError | undefined> {
  try {
    const output = await driveOutput(esOutput, { nodes: [url], ...config });
    const row = placedRows(freshName("t")).next("I", { after: [1, "a"] });
    const [verdict = "done"] = await output.write([row]);
    await output.close();
    if (verdict === "done") return undefined;
    return toDbusError("failed" in verdict ? verdict.failed : verdict.error);
  } catch (thrown) {
    return toDbusError(thrown);
  }
}

async function behind(node: string, rules: GateRules, run: (gate: EsGate) => Promise<void>) {
  const gate = await startEsGate(node, rules);
  try {
    await run(gate);
  } finally {
    await gate.close();
  }
}

const security = (status: number, type = "security_exception") => ({
  status,
  headers: { "content-type": "application/json", "x-elastic-product": "Elasticsearch" },
  body: JSON.stringify({ error: { type, reason: "not you" }, status }),
});

services.test(
  "a login by API key or password is sent, and a wrong one told",
  async ({ elasticsearch }) => {
    const basic = `Basic ${Buffer.from("ann:wonder").toString("base64")}`;
    const right = ["ApiKey a2V5", basic];
    const before: GateRules["before"] = (_, { authorization = "" }) =>
      right.includes(authorization) ? undefined : security(401);
    await behind(elasticsearch.url, { before }, async ({ url, authorizations }) => {
      expect(await attempt(url, { auth: { apiKey: "a2V5" } })).toBeUndefined();
      expect(await attempt(url, { auth: { username: "ann", password: "wonder" } })).toBeUndefined();
      expect(new Set(authorizations)).toEqual(new Set(right));
      const wrong = await attempt(url, { auth: { username: "ann", password: "guess-51c9" } });
      expect(wrong?.code).toBe("ES_AUTH");
      expect(JSON.stringify([wrong, wrong?.cause, wrong?.stack])).not.toContain("guess-51c9");
      expect((await attempt(url))?.code).toBe("ES_AUTH");
    });
  },
);

services.test("a login that may not write has its rows wait", async ({ elasticsearch }) => {
  const before: GateRules["before"] = (request) =>
    request.includes("_bulk") ? security(403) : undefined;
  await behind(elasticsearch.url, { before }, async ({ url }) => {
    expect((await attempt(url))?.code).toBe("ES_DENIED");
  });
});

services.test(
  "S5: over TLS it writes to the node that it can verify, and to no other",
  async (services) => {
    const { url: node } = services.elasticsearch;
    await behind(node, { tls: certificate }, async ({ url, asked }) => {
      expect(await attempt(url, { tls: { ca } })).toBeUndefined();
      const heard = asked.length;
      const byAddress = url.replace("localhost", "127.0.0.1");
      for (const [at, tls] of [
        [url, {}],
        [url, { ca: read("other-ca.pem") }],
        [byAddress, { ca }],
      ] as const) {
        expect((await attempt(at, { tls }))?.code).toBe("ES_TLS");
      }
      expect(asked.length).toBe(heard);
      expect(await attempt(byAddress, { tls: { insecure: true } })).toBeUndefined();
    });
    const faulty = (name: string) => read(`faults/${name}`);
    for (const cert of ["expired-cert.pem", "elsewhere-cert.pem"]) {
      const tls = { cert: faulty(cert), key: faulty("key.pem") };
      await behind(node, { tls }, async ({ url, asked }) => {
        expect((await attempt(url, { tls: { ca: faulty("ca.pem") } }))?.code).toBe("ES_TLS");
        expect(asked).toEqual([]);
      });
    }
  },
);

services.test("S5: a node that speaks nothing newer than TLS 1.1 is refused", async () => {
  const port = await freePort();
  const argv = [await systemTool("openssl"), "s_server", "-accept", `127.0.0.1:${port}`];
  const files = [
    "-cert",
    join(tlsDir, "localhost-cert.pem"),
    "-key",
    join(tlsDir, "localhost-key.pem"),
  ];
  const child = Bun.spawn([...argv, ...files, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], {
    ...{ stdin: "pipe", stdout: "pipe", stderr: "ignore" },
  });
  try {
    const ready = async () =>
      (await attempt(`https://localhost:${port}`))?.code !== "ES_UNREACHABLE";
    await waitFor(ready, { what: "the server of TLS 1.1" });
    const refused = await attempt(`https://localhost:${port}`, { tls: { ca } });
    expect(refused?.code).toBe("ES_TLS");
    expect(refused?.message).toMatch(/version|protocol/i);
  } finally {
    child.kill("SIGKILL");
  }
});

services.test("what is no Elasticsearch is told as that (product check)", async () => {
  for (const [status, headers, body] of [
    [200, { "content-type": "application/json" }, '{"version":{"distribution":"opensearch"}}'],
    [404, { "content-type": "text/html" }, "<html>nginx</html>"],
    [301, { location: "https://login.example.com/" }, ""],
  ] as const) {
    const asked: string[] = [];
    const server = createServer((incoming, outgoing) => {
      asked.push(incoming.url ?? "");
      outgoing.writeHead(status, headers).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const code = (await attempt(`http://127.0.0.1:${port}`))?.code;
    expect([status, code, asked.length]).toEqual([status, "ES_NOT_ELASTICSEARCH", 1]);
    await new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  }
  expect((await attempt("http://127.0.0.1:1"))?.code).toBe("ES_UNREACHABLE");
});

services.test(
  "S12: a redirect to a cloud's credentials is not followed, nor are its addresses asked",
  async () => {
    const metadata = "http://169.254.169.254/latest/meta-data/";
    const server = createServer((_, outgoing) => {
      outgoing.writeHead(307, { location: metadata, "x-elastic-product": "Elasticsearch" }).end();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    expect((await attempt(`http://127.0.0.1:${port}`))?.code).toBe("ES_NOT_ELASTICSEARCH");
    server.close();
    for (const url of ["http://169.254.169.254", "http://[::ffff:169.254.169.254]:9200"]) {
      expect((await attempt(url))?.code).toBe("ES_ADDRESS_REFUSED");
    }
    // A name that resolves there is refused at the moment of connecting, whatever it said before.
    const looked = Promise.withResolvers<string>();
    guardedLookup("169.254.1.1", {}, (error) => looked.resolve(String(error?.message)));
    expect(await looked.promise).toContain("link-local");
  },
);

services.test(
  "fault 46: a proxy that takes less than the node has bulks halved",
  async ({ elasticsearch }) => {
    const before: GateRules["before"] = (request, headers) => {
      if (request.includes("/_nodes")) return security(403);
      return Number(headers["content-length"]) > 10_000
        ? { status: 413, body: "<html>" }
        : undefined;
    };
    await behind(elasticsearch.url, { before }, async ({ url }) => {
      const table = freshName("t");
      const output = await driveOutput(esOutput, { nodes: [url] });
      const rows = placedRows(table);
      const size = (i: number) => (i === 7 ? 20_000 : 2_000);
      const packets = Array.from({ length: 20 }, (_, i) =>
        rows.next("I", { after: [i, "x".repeat(size(i))] }),
      );
      const { refused, retries } = await output.deliver(packets);
      expect(retries).toBe(0);
      expect([...refused.entries()].map(([i, error]) => [i, toDbusError(error).code])).toEqual([
        [7, "ES_TOO_LARGE"],
      ]);
      expect((await esPeer(elasticsearch.url).documents(`shop.${table}`)).size).toBe(19);
      await output.close();
    });
  },
);
