import { afterEach, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import { type Clock, systemClock } from "#src/clock.ts";
import type { LostAnswer } from "#src/cluster/agreement.ts";
import { createRpcClient } from "#src/cluster/rpc/create-rpc-client.ts";
import { headers, type Signed, sign } from "#src/cluster/rpc/signature.ts";
import { type RpcServerOptions, startRpcServer } from "#src/cluster/rpc/start-rpc-server.ts";
import { silentLog } from "#src/log.ts";
import { makeAuthority } from "../../support/certificates.ts";
import { type RawClient, rawClient } from "../../support/raw-client.ts";
import { recordedLog } from "../../support/recorded-log.ts";
import { tempDir } from "../../support/temp-dir.ts";
import { waitFor } from "../../support/wait-for.ts";

const key = randomBytes(16).toString("hex");
const clusterId = "c1";
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

/** A participant that says what it heard. */
async function participant(pid: string, more: Partial<RpcServerOptions> = {}) {
  const heard: string[] = [];
  const server = await startRpcServer({
    ...{ listen: { host: "127.0.0.1", port: 0 }, key, clusterId, pid, log: silentLog },
    handlers: {
      doorbell: (gen, epoch) => void heard.push(`doorbell ${gen} of epoch ${epoch}`),
      lost(): LostAnswer {
        heard.push("lost");
        return { lost: true, known: [pid, "n2"] };
      },
    },
    ...more,
  });
  ends.push(() => server.stop());
  return { heard, rpc: server.address, url: `http://${server.address}` };
}

const client = (pid: string, more: Partial<Parameters<typeof createRpcClient>[0]> = {}) =>
  createRpcClient({ key, clusterId, pid, clock: systemClock, ...more });

test("a doorbell is heard with its number and epoch, and a question has its answer", async () => {
  const [a, b] = [await participant("a"), await participant("b")];
  const n1 = client("n1");
  n1.ring("a", a.rpc, 7, 3);
  n1.ring("b", b.rpc, 8, 3);
  await waitFor(() => a.heard.length + b.heard.length === 2, { what: "both doorbells" });
  expect([...a.heard, ...b.heard]).toEqual(["doorbell 7 of epoch 3", "doorbell 8 of epoch 3"]);
  expect(await n1.askLost("a", a.rpc)).toEqual({ lost: true, known: ["a", "n2"] });
  expect(b.heard).not.toContain("lost");
});

describe("S2: a call", () => {
  type Parts = Extract<Signed, { kind: "call" }>;
  const body = Buffer.from(JSON.stringify({ cluster: clusterId }));

  /** What n1 would ask of n2, with what a test makes of it after it was signed. */
  function asked(signed: Partial<Parts> = {}, by = key) {
    const parts: Parts = {
      ...{ kind: "call", cluster: clusterId, from: "n1", to: "n2", body },
      ...{ method: "POST", path: "/rpc/v1/lost", time: Date.now() },
      ...{ nonce: randomBytes(16).toString("hex"), ...signed },
    };
    return {
      path: parts.path,
      method: parts.method,
      body: new Uint8Array(parts.body),
      headers: {
        "content-type": "application/json",
        [headers.from]: parts.from,
        [headers.time]: String(parts.time),
        [headers.nonce]: parts.nonce,
        [headers.signature]: sign(by, parts),
      },
    };
  }
  const send = (url: string, { path, ...init }: ReturnType<typeof asked>) =>
    fetch(url + path, init);

  test("that is signed is answered, and one that is heard again is not", async () => {
    const { url, heard } = await participant("n2");
    const once = asked();
    expect((await send(url, once)).status).toBe(200);
    for (let n = 0; n < 3; n++) {
      const again = await send(url, once);
      expect(again.status).toBe(403);
      expect(await again.json()).toMatchObject({ code: "CLUSTER_RPC_REFUSED" });
    }
    expect(heard).toEqual(["lost"]);
  });

  const other = Buffer.from(JSON.stringify({ cluster: clusterId, gen: 1, epoch: 1 }));
  test.each<[string, (call: ReturnType<typeof asked>) => object]>([
    ["whose body was changed", () => ({ body: other })],
    ["whose path was changed", () => ({ path: "/rpc/v1/doorbell" })],
    ["that got a query", () => ({ path: "/rpc/v1/lost?x=1" })],
    ["whose method was changed", () => ({ method: "PUT" })],
    ...Object.values(headers).map((name): [string, (call: ReturnType<typeof asked>) => object] => [
      `without ${name}`,
      ({ headers: { [name]: _, ...rest } }) => ({ headers: rest }),
    ]),
    ...(
      [
        ["in another's name", headers.from, () => "n3"],
        ["at another time", headers.time, (time: string) => String(Number(time) + 1)],
        ["with another nonce", headers.nonce, () => randomBytes(16).toString("hex")],
        ["with another algorithm", headers.signature, (s: string) => s.replace("256", "1")],
        ["that names no algorithm", headers.signature, (s: string) => s.replace(/.*=/, "")],
        ["with no signature at all", headers.signature, () => "none="],
        ["with half a signature", headers.signature, (s: string) => s.slice(0, -32)],
        ["with a signature in capitals", headers.signature, (s: string) => s.toUpperCase()],
      ] as const
    ).map(([what, name, change]): [string, (call: ReturnType<typeof asked>) => object] => [
      what,
      (call) => ({ headers: { ...call.headers, [name]: change(call.headers[name] ?? "") } }),
    ]),
  ])("%s gets nothing done", async (_, change) => {
    const { url, heard } = await participant("n2");
    const call = asked();
    const response = await send(url, { ...call, ...change(call) });
    expect(response.status).toBe(403);
    expect(response.headers.get(headers.signature)).toBeNull();
    expect(heard).toEqual([]);
    // What was refused has used up nothing: the true one is answered.
    expect((await send(url, call)).status).toBe(200);
  });

  test.each([
    ["another key", asked({}, randomBytes(16).toString("hex"))],
    ["an empty key", asked({}, "")],
    ["this key for another participant", asked({ to: "n3" })],
    ["this key for another cluster", asked({ cluster: "c2" })],
  ])("signed with %s gets nothing done", async (_, call) => {
    const { url, heard } = await participant("n2");
    expect((await send(url, call)).status).toBe(403);
    expect(heard).toEqual([]);
  });

  test.each([
    ["a minute and more ago", -61_000],
    ["a minute and more from now", 61_000],
  ])("made %s gets nothing done", async (_, ms) => {
    const { url, heard } = await participant("n2");
    expect((await send(url, asked({ time: Date.now() + ms }))).status).toBe(403);
    expect(heard).toEqual([]);
  });

  test("made before this process began may have been heard by the one before it", async () => {
    const { url, heard } = await participant("n2");
    expect((await send(url, asked({ time: Date.now() - 30_000 }))).status).toBe(403);
    expect(heard).toEqual([]);
  });

  test("with too much to say is not read to its end", async () => {
    const { url, heard } = await participant("n2");
    const response = await send(url, asked({ body: Buffer.alloc(5_000, " ") }));
    expect(response.status).toBe(413);
    expect(heard).toEqual([]);
  });

  test("of a path that is not there is refused before that is said", async () => {
    const { url } = await participant("n2");
    expect((await fetch(`${url}/rpc/v1/config`)).status).toBe(403);
    expect((await send(url, asked({ path: "/rpc/v1/config" }))).status).toBe(404);
  });

  test("that is refused is told of once, with a reason and without what it held", async () => {
    const { log, entries } = recordedLog();
    const { url } = await participant("n2", { log });
    for (let n = 0; n < 5; n++) await send(url, asked({}, "0123456789abcdef"));
    expect(entries).toHaveLength(1);
    expect(JSON.stringify(entries)).toContain("not signed with this cluster's key");
    expect(JSON.stringify(entries)).not.toContain(key);
  });
});

describe("S2: an answer", () => {
  /** Somebody who has taken the address of n2, and hears what it is asked. */
  function impostor(answer: (request: Request) => Response | Promise<Response>) {
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
    ends.push(() => server.stop(true));
    return `127.0.0.1:${server.port}`;
  }
  const lost = Buffer.from(JSON.stringify({ lost: true, known: ["n1", "n2"] }));

  function signed(request: Request, more: Partial<Extract<Signed, { kind: "answer" }>>, by = key) {
    const nonce = request.headers.get(headers.nonce) ?? "";
    const signature = sign(by, {
      ...{ kind: "answer", cluster: clusterId, from: "n2", to: "n1", nonce },
      ...{ status: 200, body: lost, ...more },
    });
    return new Response(lost, { headers: { [headers.signature]: signature } });
  }

  test("that is signed for this question is believed", async () => {
    const rpc = impostor((request) => signed(request, {}));
    expect(await client("n1").askLost("n2", rpc)).toMatchObject({ lost: true });
  });

  test.each<[string, (request: Request) => Response]>([
    ["that is not signed", () => new Response(lost)],
    ["signed with another key", (request) => signed(request, {}, "0123456789abcdef")],
    ["signed by another participant", (request) => signed(request, { from: "n3" })],
    ["signed for another participant", (request) => signed(request, { to: "n3" })],
    ["signed in another cluster", (request) => signed(request, { cluster: "c2" })],
    ["signed for another question", (request) => signed(request, { nonce: "0".repeat(32) })],
    ["that was changed", (request) => signed(request, { body: Buffer.from("{}") })],
    [
      "that is our own question",
      (request) => {
        const own = request.headers.get(headers.signature) ?? "";
        return new Response(lost, { headers: { [headers.signature]: own } });
      },
    ],
  ])("%s is not believed", async (_, answer) => {
    const asked = client("n1").askLost("n2", impostor(answer));
    await expect(asked).rejects.toMatchObject({ code: "CLUSTER_RPC_REFUSED" });
  });

  test("of before is not believed when it is given again", async () => {
    const n2 = await participant("n2");
    let before: { readonly body: ArrayBuffer; readonly headers: Headers } | undefined;
    const rpc = impostor(async (request) => {
      if (!before) {
        const { pathname } = new URL(request.url);
        const body = await request.arrayBuffer();
        const { headers: all } = request;
        const answer = await fetch(n2.url + pathname, { method: "POST", body, headers: all });
        before = { body: await answer.arrayBuffer(), headers: answer.headers };
      }
      return new Response(before.body.slice(0), { headers: before.headers });
    });
    expect(await client("n1").askLost("n2", rpc)).toMatchObject({ lost: true });
    await expect(client("n1").askLost("n2", rpc)).rejects.toMatchObject({
      code: "CLUSTER_RPC_REFUSED",
    });
  });

  test("that never ends, or is an error, is none", async () => {
    const endless = impostor(
      () => new Response(new ReadableStream({ pull: (to) => to.enqueue(Buffer.alloc(65_536)) })),
    );
    const asking = client("n1").askLost("n2", endless);
    await expect(asking).rejects.toMatchObject({ code: "CLUSTER_RPC_UNANSWERED" });
    const failing = impostor(() => new Response(lost, { status: 500 }));
    const asked = client("n1").askLost("n2", failing);
    await expect(asked).rejects.toMatchObject({ code: "CLUSTER_RPC_UNANSWERED" });
  });
});

/** Runs the wall clock ahead, and times at once: a test of a second's silence takes none. */
const hasty: Clock = { ...systemClock, after: (_, run) => systemClock.after(20, run) };

describe("an answer comes in time, or none at all", () => {
  async function listens(onConnection: (socket: Socket) => void): Promise<string> {
    const sockets: Socket[] = [];
    const server: Server = createServer((socket) => {
      sockets.push(socket.on("error", () => {}));
      onConnection(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ends.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const address = server.address();
    return `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  }

  test.each<[string, (socket: Socket) => void]>([
    ["accepts and says nothing", () => {}],
    ["stops in the middle of the head", (socket) => socket.write("HTTP/1.1 200 OK\r\ncont")],
    [
      "stops in the middle of the body",
      (socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"),
    ],
    ["closes at once", (socket) => socket.destroy()],
    ["speaks something else", (socket) => socket.end("220 mail\r\n")],
  ])("from a server that %s", async (_, behave) => {
    const rpc = await listens(behave);
    const asked = client("n1", { clock: hasty }).askLost("n2", rpc);
    await expect(asked).rejects.toMatchObject({ code: "CLUSTER_RPC_UNANSWERED" });
  });

  test.each(["127.0.0.1:1", "no-port", "u:p@127.0.0.1:1", "127.0.0.1:1/x", "127.0.0.1:99999", ""])(
    "from %j",
    async (rpc) => {
      const asked = client("n1").askLost("n2", rpc);
      await expect(asked).rejects.toMatchObject({ code: "CLUSTER_RPC_UNANSWERED" });
      client("n1").ring("n2", rpc, 1, 1);
    },
  );
});

test("S6: calls that never end take all the room there is for a second, and no longer", async () => {
  const { rpc } = await participant("n2");
  const port = Number(rpc.split(":")[1]);
  const slow: RawClient[] = [];
  for (let n = 0; n < 80; n++) slow.push(await rawClient(port, `127.0.0.${2 + (n % 2)}`));
  ends.push(() => slow.forEach((one) => void one.end()));
  for (const one of slow) one.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n");
  const ask = () =>
    client("n1")
      .askLost("n2", rpc)
      .then(
        () => "answered",
        ({ code }: { code: string }) => code,
      );
  await waitFor(async () => (await ask()) === "CLUSTER_RPC_UNANSWERED", { what: "no room" });
  await waitFor(async () => (await ask()) === "answered", { what: "an answer" });
  expect(new Set(await Promise.all(slow.map((one) => one.status())))).toEqual(new Set([408, 503]));
});

describe("S1: beyond this machine a participant", () => {
  const start = (host: string, by: string | undefined) =>
    startRpcServer({
      ...{ listen: { host, port: 0 }, key: by, clusterId, pid: "n1", log: silentLog },
      handlers: { doorbell() {}, lost: () => ({ lost: false, known: [] }) },
    });

  test.each(["0.0.0.0", "::", "[::]", "10.1.2.3", "example.org"])(
    "on %s does not start without a key",
    async (host) => {
      await expect(start(host, undefined)).rejects.toMatchObject({ code: "CLUSTER_RPC_UNSAFE" });
      await expect(start(host, "short")).rejects.toMatchObject({ code: "CLUSTER_RPC_UNSAFE" });
    },
  );

  test("starts with one, and among themselves they need none", async () => {
    await (await start("0.0.0.0", key)).stop();
    const { rpc } = await participant("n2", { key: undefined });
    expect(await client("n1", { key: undefined }).askLost("n2", rpc)).toMatchObject({ lost: true });
    const strange = client("n1").askLost("n2", rpc);
    await expect(strange).rejects.toMatchObject({ code: "CLUSTER_RPC_REFUSED" });
  });
});

test("a port that is taken is named", async () => {
  const { rpc } = await participant("n1");
  const port = Number(rpc.split(":")[1]);
  await expect(participant("n2", { listen: { host: "127.0.0.1", port } })).rejects.toMatchObject({
    code: "CLUSTER_RPC_LISTEN",
    message: expect.stringContaining(rpc),
  });
});

test("S5: over TLS they believe who has a certificate for that address, and nobody else", async () => {
  const dir = tempDir("rpc-tls");
  const [own, other] = [await makeAuthority(dir), await makeAuthority(dir, "other")];
  const { rpc, heard } = await participant("n2", { tls: await own.issue("n2") });
  const n1 = client("n1", { tls: { ca: own.ca } });
  expect(await n1.askLost("n2", rpc)).toMatchObject({ lost: true });
  n1.ring("n2", rpc, 1, 1);
  await waitFor(() => heard.includes("doorbell 1 of epoch 1"), { what: "the doorbell" });
  const wrong = await participant("n3", { tls: await own.issue("n3", { san: "IP:10.0.0.1" }) });
  for (const ask of [
    () => n1.askLost("n3", wrong.rpc),
    () => client("n1", { tls: { ca: other.ca } }).askLost("n2", rpc),
    () => client("n1", { tls: {} }).askLost("n2", rpc),
    () => client("n1").askLost("n2", rpc),
  ]) {
    await expect(ask()).rejects.toMatchObject({ code: "CLUSTER_RPC_UNANSWERED" });
  }
  expect(wrong.heard).toEqual([]);
});
