import { afterEach, expect, test } from "bun:test";
import { existsSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HttpListener, type HttpListenerOptions, listenHttp } from "#src/http/listener.ts";
import { silentLog } from "#src/log.ts";
import { makeAuthority } from "../support/certificates.ts";
import { createManualClock } from "../support/manual-clock.ts";
import { seededRandom, testSeed } from "../support/random.ts";
import { type RawClient, rawClient } from "../support/raw-client.ts";
import { recordedLog } from "../support/recorded-log.ts";
import { tempDir } from "../support/temp-dir.ts";
import { waitFor } from "../support/wait-for.ts";

const listeners: HttpListener[] = [];
const clients: RawClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.end();
  for (const listener of listeners.splice(0)) await listener.stop(true);
});

const refusal = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nretry-after: 1\r\n\r\n";

/** A server whose requests to /hold are answered when the test lets them. */
function listen(more: Partial<HttpListenerOptions> = {}) {
  const held: (() => void)[] = [];
  const listener = listenHttp({
    ...{ host: "127.0.0.1", port: 0, connectionsMax: 100, clientConnectionsMax: 100 },
    ...{ idleMs: 60_000, refusal, log: silentLog },
    async fetch(request, client) {
      const body = await request.text();
      if (request.url.endsWith("/hold")) await new Promise<void>((resolve) => held.push(resolve));
      return new Response(`${client} ${body.length}`);
    },
    error: () => new Response("", { status: 500 }),
    ...more,
  });
  listeners.push(listener);
  const { port } = listener;
  const open = async (from?: string) => {
    const client = await rawClient(port, from);
    clients.push(client);
    return client;
  };
  return { listener, port, url: `http://127.0.0.1:${port}`, open, held };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;

test("bodies of any size come and go whole, several times on one connection", async () => {
  const { url } = listen();
  for (const size of [0, 1, 65_535, 5_000_000]) {
    const response = await fetch(url, { method: "POST", body: "x".repeat(size) });
    expect(await response.text()).toBe(`127.0.0.1 ${size}`);
  }
});

test("bytes come out as they went in, of many at once and however slowly they are taken", async () => {
  const random = seededRandom(testSeed("bytes through the gate"));
  const { url } = listen({
    async fetch(request) {
      const taken: Uint8Array[] = [];
      for await (const chunk of request.body as ReadableStream<Uint8Array>) {
        taken.push(chunk);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return new Response(Buffer.concat(taken));
    },
  });
  const bodies = Array.from({ length: 6 }, () => random.bytes(random.int(1, 1_500_000)));
  const echo = async (body: Uint8Array<ArrayBuffer>) => {
    const response = await fetch(url, { method: "POST", body });
    return Buffer.from(await response.arrayBuffer()).equals(body);
  };
  expect(await Promise.all(bodies.map(echo))).toEqual(bodies.map(() => true));
});

test("a large answer to a slow reader is whole", async () => {
  const large = "0123456789".repeat(1_000_000);
  const { open } = listen({ fetch: () => new Response(large) });
  const client = await open();
  client.socket.pause();
  client.send(get("/"));
  for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
  client.socket.resume();
  await waitFor(() => client.received().length > large.length, { what: "all of it" });
  expect(client.received().endsWith(large)).toBe(true);
});

test("S6: each request is known by its client", async () => {
  const { open } = listen({ clientConnectionsMax: 1 });
  const some = [await open("127.0.0.1"), await open("127.0.0.2"), await open("127.0.0.3")];
  for (const round of [1, 2]) {
    for (const [at, client] of some.entries()) {
      client.send(get("/"));
      const answers = () => client.received().match(/127\.0\.0\.\d /g) ?? [];
      await waitFor(() => answers().length === round, { what: "an answer" });
      expect(answers().at(-1)).toBe(`127.0.0.${at + 1} `);
    }
  }
  expect(some.some(({ closed }) => closed)).toBe(false);
});

test("S6: connections without a request make room, the longest first, for all who come", async () => {
  const { open, listener, held } = listen({ connectionsMax: 5 });
  const [busy, ...waiting] = [await open(), await open(), await open(), await open(), await open()];
  busy.send(get("/hold"));
  await waitFor(() => held.length === 1, { what: "the request" });
  for (let n = 0; n < 20; n++) {
    const client = await open();
    client.send(get("/"));
    expect(await client.status()).toBe(200);
    if (n === 0) {
      await waitFor(() => waiting[0]?.closed, { what: "the oldest to go" });
      expect(waiting.slice(1).map(({ closed }) => closed)).toEqual([false, false, false]);
    }
  }
  expect(listener.connections).toBe(5);
  expect(busy.closed).toBe(false);
  held[0]?.();
  expect(await busy.status()).toBe(200);
});

test("S6: who comes when all are busy is turned away at once, and let in when one is free", async () => {
  const log = recordedLog();
  const { open, held, listener } = listen({ clientConnectionsMax: 3, log: log.log });
  const busy = [await open(), await open(), await open()];
  for (const client of busy) client.send(get("/hold"));
  await waitFor(() => held.length === 3, { what: "the requests" });
  const refused = await open();
  expect(await refused.status()).toBe(429);
  expect(refused.received()).toBe(refusal);
  await waitFor(() => refused.closed, { what: "its end" });
  expect(listener.connections).toBe(3);
  held[0]?.();
  expect(await busy[0]?.status()).toBe(200);
  const next = await open();
  next.send(get("/"));
  expect(await next.status()).toBe(200);
  await waitFor(() => log.entries.some(({ level }) => level === "warn"), { what: "a warning" });
});

test("S6: a head that drips is cut at its deadline, a request that waits is not", async () => {
  const clock = createManualClock();
  const { open, held } = listen({ clock });
  const [silent, drips, waits, idle] = [await open(), await open(), await open(), await open()];
  waits.send(get("/hold"));
  idle.send(get("/"));
  await idle.status();
  await waitFor(() => held.length === 1, { what: "the request" });
  for (let second = 0; second < 9; second++) {
    drips.send("G");
    clock.advance(1_000);
  }
  expect([silent.closed, drips.closed, waits.closed, idle.closed]).toEqual(Array(4).fill(false));
  clock.advance(2_000);
  await waitFor(() => silent.closed && drips.closed, { what: "both to be cut" });
  clock.advance(30_000);
  held[0]?.();
  expect(await waits.status()).toBe(200);
  expect(idle.closed).toBe(false);
  clock.advance(31_000);
  await waitFor(() => idle.closed, { what: "the idle one to go" });
});

test("S6: a head larger than 16 KB is refused", async () => {
  const { open } = listen();
  const client = await open();
  client.send(`GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(17_000)}\r\n\r\n`);
  expect(await client.status()).toBe(431);
});

test("S6: limits hold over TLS, and a handshake that never ends is cut", async () => {
  const clock = createManualClock();
  const authority = await makeAuthority(tempDir("listener-tls"));
  const tls = await authority.issue("listener");
  const { open, port, listener } = listen({ tls, clock, clientConnectionsMax: 2 });
  const silent = await open();
  // The kernel does not show a connection without a byte to a listener of TLS.
  silent.send("\x16");
  await waitFor(() => listener.connections === 1, { what: "the silent one" });
  const url = `https://127.0.0.1:${port}`;
  const trust = { tls: { ca: authority.ca } };
  const body = "x".repeat(300_000);
  const answer = await fetch(url, { method: "POST", body, ...trust });
  expect(await answer.text()).toBe("127.0.0.1 300000");
  expect(listener.connections).toBeLessThanOrEqual(2);
  clock.advance(11_000);
  await waitFor(() => silent.closed, { what: "the silent one to go" });
  expect(await (await fetch(url, trust)).text()).toBe("127.0.0.1 0");
});

test("S9: its sockets are where only this user gets, and are gone at the end", async () => {
  const own = () => readdirSync(tmpdir()).filter((name) => name.includes(`-${process.pid}-`));
  const before = own();
  const { url, listener } = listen();
  await fetch(url);
  const made = own().filter((name) => name.startsWith("dbus-http-") && !before.includes(name));
  expect(made).toHaveLength(1);
  const folder = join(tmpdir(), made[0] ?? "");
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  await listener.stop(true);
  expect(existsSync(folder)).toBe(false);
});

test("clients of many addresses come and go, and leave no servers behind", async () => {
  const { port, listener } = listen();
  for (let n = 1; n <= 60; n++) {
    const client = await rawClient(port, `127.0.0.${n}`);
    client.send(`GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
    expect(await client.status()).toBe(200);
    await waitFor(() => client.closed, { what: "its end" });
  }
  await waitFor(() => listener.connections === 0, { what: "all to be gone" });
  expect(listener.pendingRequests).toBe(0);
});
