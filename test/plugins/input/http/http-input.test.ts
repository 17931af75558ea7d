import { afterEach, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { httpInput } from "#plugins/input/http/http-input.ts";
import { type ErrorCode, errorTable } from "#src/errors.ts";
import { inputPluginContract, start } from "../../../contract/input-plugin.ts";
import { hasAnswer, sendRaw } from "../../../fuzz/raw-http.ts";
import { makeAuthority } from "../../../support/certificates.ts";
import {
  type FakeInput,
  type FakeInputOptions,
  fakeInputContext,
} from "../../../support/fake-context.ts";
import { rawClient } from "../../../support/raw-client.ts";
import { tempDir } from "../../../support/temp-dir.ts";
import { waitFor } from "../../../support/wait-for.ts";

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
const portOf = (bus: FakeInput) =>
  waitFor(() => Number(/:(\d+)$/.exec(bus.states.at(-1) ?? "")?.[1]), { what: "the port" });

async function serve(config: object = {}, options: FakeInputOptions = {}) {
  const bus = fakeInputContext(options);
  const parsed = httpInput.configSchema.parse({ port: 0, drainMs: 1000, ...config });
  const running = await start(httpInput, parsed, bus);
  stops.push(running.stop);
  const port = await portOf(bus);
  const url = `http://127.0.0.1:${port}/`;
  const post = (
    body: string | Uint8Array<ArrayBuffer> | ReadableStream,
    headers: Record<string, string> = {},
    path = "",
  ) =>
    fetch(url + path, {
      method: "POST",
      body,
      headers: { "content-type": "application/json", ...headers },
    });
  return { bus, url, port, post, ...running };
}
const documents = (bus: FakeInput) =>
  bus.packets.map(({ payload }) => (payload.kind === "document" ? payload.json : payload.kind));
const lines = { "content-type": "application/x-ndjson" };

const authority = await makeAuthority(tempDir("http-input"));
const { cert, key } = await authority.issue("http-input");
const tls = { cert, key };

describe("contract", () =>
  inputPluginContract(httpInput, {
    config: () => ({ port: 0 }),
    feed: async (bus) => {
      const url = `http://127.0.0.1:${await portOf(bus)}/`;
      const headers = { "content-type": "application/json" };
      void fetch(url, { method: "POST", body: "[1,2]", headers }).catch(() => {});
    },
  }));

test.each([
  ['{"n":18446744073709551615, "d": 1.10}', {}, ['{"n":18446744073709551615, "d": 1.10}']],
  [' [1, {"a": [2]} ,"x"]\n', {}, ["1", '{"a": [2]}', '"x"']],
  ['{"a":1}\n\n{"a":2}\r\n3', lines, ['{"a":1}', '{"a":2}', "3"]],
  ["\ufeff[true]", {}, ["true"]],
  ["[]", {}, []],
  ["\n", lines, []],
])("S13: %p becomes packets that keep every digit", async (body, headers, expected) => {
  const { bus, post } = await serve();
  const response = await post(body, headers);
  expect(response.status).toBe(202);
  expect(await response.json()).toEqual({ accepted: expected.length });
  expect(documents(bus)).toEqual(expected);
});

test("202 is answered when the outputs have acked, and not before (fault 96)", async () => {
  const { bus, post } = await serve({}, { holdDeliveries: true });
  let answered = false;
  const response = post("[1,2]").then((found) => {
    answered = true;
    return found;
  });
  await waitFor(() => bus.pendingDeliveries === 2, { what: "the packets to arrive" });
  for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
  expect(answered).toBe(false);
  bus.settle("deadlettered");
  expect((await response).status).toBe(202);
  expect(await (await response).json()).toEqual({ accepted: 2, deadLettered: true });
});

test("outputs that never ack give 504, never 202", async () => {
  const { post } = await serve({ ackTimeoutMs: 20 }, { holdDeliveries: true });
  expect((await post("1")).status).toBe(504);
});

test.each([
  ['{"a":1,\n "b" 2}', {}, { line: 2, column: 6 }],
  ["[1,\n2,\n{]", {}, { line: 3, column: 2, index: 2 }],
  ['{"a":1}\n{"a":}\n', lines, { line: 2, column: 6, index: 1 }],
  ["", {}, { line: 1, column: 1 }],
  [
    new Uint8Array([0x22, 0x61, 0x0a, 0x62, 0xff, 0x22]),
    {},
    { detail: "not valid UTF-8", line: 2, column: 2 },
  ],
])(
  "bad JSON is answered with its place, and nothing of it is taken",
  async (body, headers, place) => {
    const { bus, post } = await serve();
    const response = await post(body, headers);
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    const remedy = "mend the body at that place; nothing of it was taken";
    expect(await response.json()).toMatchObject({
      ...{ status: 400, code: "REQUEST_INVALID", remedy },
      ...place,
    });
    expect(bus.packets).toEqual([]);
  },
);

test("what is no JSON by its type, or is compressed, is 415", async () => {
  const { bus, post, url } = await serve();
  expect((await post("1", { "content-type": "text/plain" })).status).toBe(415);
  expect((await post("1", { "content-encoding": "gzip" })).status).toBe(415);
  expect((await fetch(url, { method: "POST" })).status).toBe(415);
  expect((await post("1", { "content-type": "application/json; charset=utf-8" })).status).toBe(202);
  expect(bus.packets).toHaveLength(1);
});

test("every refusal has a code of the table and says what to do", async () => {
  const token = "correct-horse-battery";
  const { bus, post, url } = await serve({ bodyBytesMax: 1024, token });
  const own = { authorization: `Bearer ${token}` };
  const refused = async (answer: Promise<Response>) => {
    const problem = (await (await answer).json()) as { code: ErrorCode; remedy: string };
    expect(problem.remedy).toMatch(/\w/);
    expect(Object.keys(errorTable)).toContain(problem.code);
    return problem.code;
  };
  expect(await refused(post("1"))).toBe("UNAUTHORIZED");
  expect(await refused(post(`"${"x".repeat(2000)}"`, own))).toBe("REQUEST_TOO_LARGE");
  expect(await refused(post("1", { ...own, "content-type": "text/plain" }))).toBe(
    "REQUEST_INVALID",
  );
  expect(await refused(fetch(url, { headers: own }))).toBe("REQUEST_INVALID");
  expect(await refused(post("1", { ...own, origin: "http://evil.example" }))).toBe("FORBIDDEN");
  bus.withhold();
  expect(await refused(post("1", own))).toBe("HTTP_BUSY");
});

test("other paths and methods are told where to go", async () => {
  const { post, url } = await serve({ path: "/packets" });
  expect((await post("1", {}, "packets")).status).toBe(202);
  expect((await post("1", {}, "packets/")).status).toBe(404);
  expect((await post("1")).status).toBe(404);
  const get = await fetch(`${url}packets`);
  expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
});

test("HTTP/1.0, which names no host, is taken like the rest", async () => {
  const { bus, port } = await serve();
  const head = "POST / HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 3\r\n\r\n[1]";
  expect((await sendRaw(port, Buffer.from(head), hasAnswer)).statuses).toEqual([202]);
  expect(documents(bus)).toEqual(["1"]);
});

test("too large is 413, declared or chunked, to the byte", async () => {
  const { bus, post } = await serve({ bodyBytesMax: 1000, packetsMax: 5 });
  const body = (size: number) => `"${"x".repeat(size - 2)}"`;
  const chunked = (text: string) =>
    new ReadableStream({
      start(controller) {
        for (const part of text.match(/.{1,100}/gs) ?? []) controller.enqueue(Buffer.from(part));
        controller.close();
      },
    });
  expect((await post(body(1000))).status).toBe(202);
  expect((await post(body(1001))).status).toBe(413);
  expect((await post(chunked(body(1000)))).status).toBe(202);
  expect((await post(chunked(body(1001)))).status).toBe(413);
  expect((await post("[1,2,3,4,5]")).status).toBe(202);
  expect((await post("[1,2,3,4,5,6]")).status).toBe(413);
  expect(bus.packets).toHaveLength(7);
});

test("without credit it is 429 with a time to wait, before the body is read", async () => {
  const { bus, post, port } = await serve({ retryAfterSeconds: 7 });
  bus.withhold();
  const response = await post("1");
  expect([response.status, response.headers.get("retry-after")]).toEqual([429, "7"]);
  // This body never comes, and the answer does all the same.
  const socket = connect({ host: "127.0.0.1", port });
  socket.write(
    "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n",
  );
  const answer = await new Promise<string>((resolve) =>
    socket.once("data", (data) => resolve(String(data))),
  );
  expect(answer).toStartWith("HTTP/1.1 429");
  socket.destroy();
  bus.grant(1);
  expect((await post("1")).status).toBe(202);
});

test("bodies that are still on their way count against the credit of the others", async () => {
  const asked: [bytes: number, reserved: number][] = [];
  const { bus, port, post } = await serve({ bodyBytesMax: 5000 });
  const { hasCredit } = bus.context;
  Object.assign(bus.context, {
    hasCredit(packets: number, bytes: number, reserved: number) {
      asked.push([bytes, reserved]);
      return hasCredit(packets, bytes, reserved);
    },
  });
  const socket = connect({ host: "127.0.0.1", port });
  socket.write(
    "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 4000\r\n\r\n1",
  );
  await waitFor(() => asked.length === 1, { what: "the first request" });
  await post("1");
  expect(asked).toEqual([
    [4000, 0],
    [1, 4000],
  ]);
  socket.destroy();
  await waitFor(
    async () => {
      await post("1");
      return asked.at(-1)?.[1] === 0;
    },
    { what: "the reserve to be given back" },
  );
});

test("a body that does not come in time is 408", async () => {
  const { port } = await serve({ bodyTimeoutMs: 30 });
  const socket = connect({ host: "127.0.0.1", port });
  socket.write(
    "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n[1,",
  );
  const answer = await new Promise<string>((resolve) =>
    socket.once("data", (data) => resolve(String(data))),
  );
  expect(answer).toStartWith("HTTP/1.1 408");
  socket.destroy();
});

test("requests in progress are bounded, for all and for each client", async () => {
  const { bus, post } = await serve(
    { requestsMax: 10, clientRequestsMax: 3 },
    { holdDeliveries: true },
  );
  const held = [post("1"), post("2"), post("3")];
  await waitFor(() => bus.pendingDeliveries === 3, { what: "three requests" });
  expect((await post("4")).status).toBe(429);
  bus.settle();
  for (const response of held) expect((await response).status).toBe(202);
  const next = post("5");
  await waitFor(() => bus.pendingDeliveries === 1, { what: "room again" });
  bus.settle();
  expect((await next).status).toBe(202);
});

test("a token is asked for when there is one, and never told", async () => {
  const token = "correct-horse-battery";
  const { post, bus } = await serve({ token });
  const wrong = [
    "",
    "Bearer",
    `Bearer ${token}x`,
    `Basic ${token}`,
    token,
    `Bearer ${token.slice(0, -1)}`,
  ];
  for (const authorization of wrong) {
    const response = await post("1", { authorization });
    expect(response.status).toBe(401);
    expect(await response.text()).not.toContain("horse");
  }
  expect((await post("1", {}, `?token=${token}`)).status).toBe(401);
  expect(bus.packets).toEqual([]);
  expect((await post("1", { authorization: `Bearer ${token}` })).status).toBe(202);
});

test("S3: web pages and foreign host names are turned away", async () => {
  const { post, bus, port } = await serve();
  expect((await post("1", { origin: "http://evil.example" })).status).toBe(403);
  expect((await post("1", { host: `evil.example:${port}` })).status).toBe(421);
  expect(bus.packets).toEqual([]);
});

test("S17: beyond this machine it wants a token and TLS, or to be told that none is meant", () => {
  const { context } = fakeInputContext();
  const open = (config: object) => () =>
    httpInput.open(context, httpInput.configSchema.parse(config));
  for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.org"]) {
    expect(open({ host })).toThrow(expect.objectContaining({ code: "HTTP_UNSAFE", kind: "fatal" }));
    const token = "x".repeat(16);
    const unsafe = [{ token }, { allowAnonymous: true }, { tls }, { insecure: true }];
    for (const more of unsafe) {
      expect(open({ host, ...more })).toThrow(expect.objectContaining({ code: "HTTP_UNSAFE" }));
    }
    for (const more of [
      { token, tls },
      { token, insecure: true },
      { allowAnonymous: true, tls },
    ]) {
      expect(open({ host, ...more })).not.toThrow();
    }
    const config = httpInput.configSchema.parse({ host, allowAnonymous: true, insecure: true });
    expect(httpInput.insecure?.(config)).toEqual([
      `${host} is listened on without a token (allowAnonymous)`,
      `${host} is listened on without TLS (insecure)`,
    ]);
  }
  for (const host of ["localhost", "127.0.0.9", "::1"]) expect(open({ host })).not.toThrow();
});

test("S5: over TLS it takes packets from those who verify it, and speaks no other", async () => {
  const { bus, port } = await serve({ tls });
  const post = (url: string, more: object) =>
    fetch(url, {
      method: "POST",
      body: "1",
      headers: { "content-type": "application/json" },
      ...more,
    });
  const trust = { tls: { ca: authority.ca } };
  expect((await post(`https://127.0.0.1:${port}/`, trust)).status).toBe(202);
  await expect(post(`https://127.0.0.1:${port}/`, {})).rejects.toThrow();
  await expect(post(`http://127.0.0.1:${port}/`, {})).rejects.toThrow();
  expect(bus.packets).toHaveLength(1);
});

test.each([
  ["a key of another certificate", { cert, key: (await authority.issue("another")).key }],
  ["no certificate", { cert: "hunter2-cert", key }],
  ["no key", { cert, key: "hunter2-key" }],
])("S5: a TLS section with %s is refused when it is read, without showing it", (_, wrong) => {
  const { error } = httpInput.configSchema.safeParse({ tls: wrong });
  expect(error?.issues[0]?.path[0]).toBe("tls");
  expect(JSON.stringify(error)).not.toContain("hunter2");
});

test("S17: bytes and requests in progress are limited for each client, with 429", async () => {
  const { bus, port, post } = await serve({ clientBytesMax: 1000 }, { holdDeliveries: true });
  const body = (size: number) => `"${"x".repeat(size - 2)}"`;
  const held = [post(body(700))];
  await waitFor(() => bus.pendingDeliveries === 1, { what: "the first" });
  const refused = await post(body(301));
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
  held.push(post(body(300)));
  await waitFor(() => bus.pendingDeliveries === 2, { what: "what fits" });
  const other = await rawClient(port, "127.0.0.2");
  const head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
  other.send(`${head}content-length: 900\r\n\r\n${body(900)}`);
  await waitFor(() => bus.pendingDeliveries === 3, { what: "another client's" });
  bus.settle();
  for (const response of held) expect((await response).status).toBe(202);
  expect(await other.status()).toBe(202);
  other.end();
  const again = post(body(5000));
  await waitFor(() => bus.pendingDeliveries === 1, { what: "room again, for one of any size" });
  bus.settle();
  expect((await again).status).toBe(202);
});

test("S6: connections of one client are limited: those without a request make room", async () => {
  const { bus, port, post } = await serve({ clientConnectionsMax: 20 });
  const slow = await Promise.all(Array.from({ length: 200 }, () => rawClient(port)));
  for (const client of slow) client.send("POST / HTTP/1.1\r\nhost:");
  await waitFor(() => slow.filter(({ closed }) => closed).length >= 180, { what: "180 to go" });
  expect((await post("1")).status).toBe(202);
  expect(bus.packets).toHaveLength(1);
  for (const client of slow) client.end();
});

test("a port that is taken is an error to try again", async () => {
  const { port } = await serve();
  const { context } = fakeInputContext();
  const config = httpInput.configSchema.parse({ port });
  await expect(httpInput.run(config, context)).rejects.toMatchObject({
    code: "HTTP_LISTEN",
    kind: "retry",
  });
});

test("a stop lets requests in progress end, and refuses new ones", async () => {
  const { bus, post, stop } = await serve({ drainMs: 5000 }, { holdDeliveries: true });
  const held = post("1");
  await waitFor(() => bus.pendingDeliveries === 1, { what: "the request" });
  // As the bus does it: what is admitted already is still settled after the abort.
  const { deliver } = bus.context;
  void deliver;
  const stopping = stop();
  expect((await held).status).toBe(503);
  await stopping;
  await expect(post("2")).rejects.toThrow();
});
