import { describe, expect, test } from "bun:test";
import { serveAdmin } from "#src/api/serve.ts";
import { silentLog } from "#src/log.ts";
import { hasAnswer, sendRaw } from "../fuzz/raw-http.ts";
import { adminConfig } from "../support/admin-config.ts";
import { makeAuthority } from "../support/certificates.ts";
import { tempDir } from "../support/temp-dir.ts";
import { fakePort } from "./fake-port.ts";

test("it serves on a free port of this machine and ends when told", async () => {
  const server = await serveAdmin(adminConfig(), fakePort(), silentLog);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  await server.stop();
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
});

const authority = await makeAuthority(tempDir("admin-tls"));
const tls = await authority.issue("admin");
const token = "0123456789abcdef";

describe.each(["0.0.0.0", "::", "10.1.2.3", "192.168.0.1", "example.org"])("S1: on %s", (host) => {
  test.each([
    ["no token and no TLS", {}],
    ["a token and no TLS", { token }],
    ["TLS and no token", { tls }],
    ["no token, and in the clear on purpose", { insecure: true }],
  ])("it refuses to start with %s", async (_, more) => {
    const started = serveAdmin(adminConfig({ ...more, host }), fakePort(), silentLog);
    await expect(started).rejects.toMatchObject({ code: "ADMIN_UNSAFE" });
  });
});

test("S1: with a token and TLS it may listen everywhere, and wants the token from all", async () => {
  const config = adminConfig({ host: "0.0.0.0", token, tls });
  const server = await serveAdmin(config, fakePort(), silentLog);
  try {
    expect(server.url).toStartWith("https://");
    const url = `${server.url.replace("0.0.0.0", "127.0.0.1")}/api/v1/stat`;
    const trust = { tls: { ca: authority.ca } };
    expect((await fetch(url, trust)).status).toBe(401);
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(url, { headers, ...trust })).status).toBe(200);
    await expect(fetch(url, { headers })).rejects.toThrow();
    await expect(fetch(url.replace("https", "http"), { headers })).rejects.toThrow();
  } finally {
    await server.stop();
  }
});

test("S1: in the clear beyond this machine only when the config says so, with a token", async () => {
  const config = adminConfig({ host: "0.0.0.0", token, insecure: true });
  const server = await serveAdmin(config, fakePort(), silentLog);
  try {
    const url = `${server.url.replace("0.0.0.0", "127.0.0.1")}/api/v1/stat`;
    expect((await fetch(url)).status).toBe(401);
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(url, { headers })).status).toBe(200);
  } finally {
    await server.stop();
  }
});

test("a port that is taken is named", async () => {
  const first = await serveAdmin(adminConfig(), fakePort(), silentLog);
  try {
    const port = Number(new URL(first.url).port);
    const second = serveAdmin(adminConfig({ port }), fakePort(), silentLog);
    await expect(second).rejects.toMatchObject({
      code: "ADMIN_LISTEN",
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
  } finally {
    await first.stop();
  }
});

test("S3: a request for another name of this address is refused on the wire too", async () => {
  const server = await serveAdmin(adminConfig(), fakePort(), silentLog);
  try {
    const response = await fetch(`${server.url}/api/v1/config`, {
      headers: { host: "evil.example" },
    });
    expect(response.status).toBe(403);
  } finally {
    await server.stop();
  }
});

test("S6: 100 MB of JSON end in a refusal, and the server lives on", async () => {
  const server = await serveAdmin(adminConfig(), fakePort(), silentLog);
  try {
    const body = new Uint8Array(100 * 1024 * 1024).fill(0x20);
    const headers = { "content-type": "application/json" };
    const url = `${server.url}/api/v1/deadletters/redrive`;
    const answer = await fetch(url, { method: "POST", headers, body });
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({
      code: "REQUEST_TOO_LARGE",
      remedy: expect.any(String),
    });
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  } finally {
    await server.stop();
  }
});

test("HTTP/1.0, which names no host, is answered like the rest: health checks still speak it", async () => {
  const server = await serveAdmin(adminConfig(), fakePort(), silentLog);
  try {
    const port = Number(new URL(server.url).port);
    for (const [line, status] of [
      ["GET /healthz HTTP/1.0", 200],
      ["GET /api/v1/deadletters?limit=1 HTTP/1.0", 200],
      ["GET /nope HTTP/1.0", 404],
      ["GET //evil.example/healthz HTTP/1.0", 403],
    ] as const) {
      const { statuses } = await sendRaw(port, Buffer.from(`${line}\r\n\r\n`), hasAnswer);
      expect([line, ...statuses]).toEqual([line, status]);
    }
  } finally {
    await server.stop();
  }
});
