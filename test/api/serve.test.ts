import { expect, test } from "bun:test";
import { serveAdmin } from "#src/api/serve.ts";
import { silentLog } from "#src/log.ts";
import { fakePort } from "./fake-port.ts";

const local = { enabled: true, host: "127.0.0.1", port: 0, token: undefined };

test("it serves on a free port of this machine and ends when told", async () => {
  const server = await serveAdmin(local, fakePort(), silentLog);
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  await server.stop();
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow();
});

test.each(["0.0.0.0", "::", "10.1.2.3", "example.org"])(
  "it refuses to start on %s without a token",
  async (host) => {
    const started = serveAdmin({ ...local, host }, fakePort(), silentLog);
    await expect(started).rejects.toMatchObject({ code: "ADMIN_UNSAFE" });
  },
);

test("with a token it may listen everywhere, and wants it from everybody", async () => {
  const token = "0123456789abcdef";
  const server = await serveAdmin({ ...local, host: "0.0.0.0", token }, fakePort(), silentLog);
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
  const first = await serveAdmin(local, fakePort(), silentLog);
  try {
    const port = Number(new URL(first.url).port);
    const second = serveAdmin({ ...local, port }, fakePort(), silentLog);
    await expect(second).rejects.toMatchObject({
      code: "ADMIN_LISTEN",
      message: expect.stringContaining(`127.0.0.1:${port}`),
    });
  } finally {
    await first.stop();
  }
});

test("a request for another name of this address is refused on the wire too", async () => {
  const server = await serveAdmin(local, fakePort(), silentLog);
  try {
    const response = await fetch(`${server.url}/api/v1/config`, {
      headers: { host: "evil.example" },
    });
    expect(response.status).toBe(403);
  } finally {
    await server.stop();
  }
});

test("100 MB of JSON end in a refusal, and the server lives on", async () => {
  const server = await serveAdmin(local, fakePort(), silentLog);
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
