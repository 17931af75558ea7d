import { expect, test } from "bun:test";
import { createApp, routeTable } from "#src/api/app.ts";
import { problemSchema } from "#src/api/schemas.ts";
import { createTokens } from "#src/api/tokens.ts";
import { DbusError, errorTable } from "#src/errors.ts";
import { silentLog } from "#src/log.ts";
import { clusterBodies, fakePort } from "./fake-port.ts";

const token = "t0ken-of-16-chars";
const json = { "content-type": "application/json" };

function client({ token }: { token?: string } = {}) {
  const port = fakePort();
  const tokens = createTokens({ token, tokens: [] }, silentLog);
  const app = createApp(port, { tokens, log: silentLog });
  const call = (
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ) =>
    app.request(`http://127.0.0.1:9876${path}`, {
      method,
      headers: { ...(method === "GET" ? {} : json), ...headers },
      ...(body === undefined
        ? {}
        : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
  return { port, call };
}

/** A path that the fake port knows, for each route. */
const concrete = (path: string) =>
  path
    .replace("{input}", "shop")
    .replace("{resource}", "mysql-1")
    .replace("{partition}", "0")
    .replace("{id}", "5")
    .replace("{version}", "4");

const bodies: Record<string, unknown> = {
  "put /api/v1/checkpoints/{input}/{resource}/{partition}": { position: { file: "b", pos: 4 } },
  "post /api/v1/deadletters/redrive": { ids: [5, 6] },
  ...clusterBodies,
};

const table = routeTable().map((one) => [one.method, one.path, one] as const);

test("the table holds every path that the issue names", () => {
  const paths = new Set(table.map(([, path]) => path));
  for (const name of [
    "topology",
    "plugins",
    "supervisor",
    "checkpoints",
    "deadletters",
    "gaps",
    "config",
    "stat",
  ]) {
    expect(paths).toContain(`/api/v1/${name}`);
  }
  for (const path of [
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/supervisor",
    "/api/v1/openapi.json",
  ]) {
    expect(paths).toContain(path);
  }
});

test.each(table)(
  "S3: %s %s answers what its schema says, without CORS and cookies",
  async (method, path, one) => {
    const { call } = client();
    const response = await call(method.toUpperCase(), concrete(path), bodies[`${method} ${path}`]);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(response.headers.get("set-cookie")).toBeNull();
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    if (one.response) expect(one.response.safeParse(await response.json()).error).toBeUndefined();
  },
);

test.each(table)(
  "S1: %s %s wants the token, when there is one (fault 92)",
  async (method, path, one) => {
    const { call, port } = client({ token });
    const body = bodies[`${method} ${path}`];
    const auths: Record<string, string>[] = [
      {},
      { authorization: "Bearer" },
      { authorization: "Bearer wrong" },
      { authorization: `Bearer ${token}x` },
      { authorization: `Basic ${btoa(`x:${token}`)}` },
      { "x-token": token },
    ];
    for (const headers of auths) {
      const response = await call(method.toUpperCase(), concrete(path), body, headers);
      expect(response.status).toBe(one.open ? 200 : 401);
    }
    const inUrl = await call(method.toUpperCase(), `${concrete(path)}?token=${token}`, body);
    expect(inUrl.status).toBe(one.open ? 200 : 401);
    expect(port.calls).toEqual([]);
    const right = await call(method.toUpperCase(), concrete(path), body, {
      authorization: `Bearer ${token}`,
    });
    expect(right.status).toBe(200);
  },
);

test("S1: only the two probes are open, and a path that is not there is not", async () => {
  expect(table.filter(([, , one]) => one.open).map(([, path]) => path)).toEqual([
    "/healthz",
    "/readyz",
  ]);
  expect((await client({ token }).call("GET", "/api/v1/nope")).status).toBe(401);
  expect((await client().call("GET", "/api/v1/nope")).status).toBe(404);
});

test("S3: what is refused, or is not there, has the safety headers too", async () => {
  for (const [options, path] of [
    [{ token }, "/api/v1/nope"],
    [{}, "/api/v1/nope"],
    [{ token }, "/api/v1/stat"],
  ] as const) {
    const { headers } = await client(options).call("GET", path);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  }
});

test.each(table)("S3: %s %s refuses foreign names and foreign pages", async (method, path) => {
  const { call, port } = client();
  const body = bodies[`${method} ${path}`];
  const foreign: Record<string, string>[] = [
    { host: "evil.example" },
    { host: "evil.example:9876" },
    { host: "127.0.0.1.evil.example" },
    { host: "" },
    { origin: "https://evil.example" },
    { origin: "null" },
    { origin: "http://127.0.0.1:9999" },
  ];
  for (const headers of foreign) {
    const response = await call(method.toUpperCase(), concrete(path), body, headers);
    expect([headers, response.status]).toEqual([headers, 403]);
    expect(await response.json()).toMatchObject({ code: "FORBIDDEN" });
  }
  expect(port.calls).toEqual([]);
});

test.each(["127.0.0.1:9876", "localhost:9876", "[::1]:9876", "127.0.0.1"])(
  "the name %s and its own pages are let in",
  async (host) => {
    const { call } = client();
    const own = { host, origin: `http://${host}` };
    expect((await call("PUT", "/api/v1/pause/shop", {}, own)).status).toBe(200);
  },
);

const changing = table.filter(([method]) => method !== "get");

test.each(changing)("S3: %s %s wants the content type of JSON", async (method, path) => {
  const { call, port } = client();
  for (const type of [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
    "",
  ]) {
    const headers = { "content-type": type };
    const body = bodies[`${method} ${path}`] ?? {};
    const response = await call(method.toUpperCase(), concrete(path), body, headers);
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({ code: "REQUEST_INVALID" });
  }
  expect(port.calls).toEqual([]);
});

test("commands reach the port with what was sent", async () => {
  const { call, port } = client();
  await call("PUT", "/api/v1/pause/shop");
  await call("PUT", "/api/v1/resume/shop", {});
  const key = { input: "shop", resource: "my sql", partition: "a/b" };
  const path = "/api/v1/checkpoints/shop/my%20sql/a%2Fb";
  await call("PUT", path, { position: "bin.000002:4" });
  await call("DELETE", path);
  await call("POST", "/api/v1/deadletters/redrive", { ids: [1, 2] });
  await call("GET", "/api/v1/deadletters?node=kafka&after=3&limit=10");
  expect(port.calls).toEqual([
    ["pause", "shop"],
    ["resume", "shop"],
    ["set", key, "bin.000002:4"],
    ["reset", key],
    ["redrive", [1, 2]],
    ["list", { node: "kafka", after: 3, limit: 10 }],
  ]);
});

test("a list of dead letters shows no row data; one of them whole loses no digit", async () => {
  const { call } = client();
  expect(await (await call("GET", "/api/v1/deadletters")).text()).not.toContain("row data");
  const one = (await (await call("GET", "/api/v1/deadletters/5")).json()) as { packet: unknown };
  expect(one.packet).toMatchObject({
    position: { n: "9223372036854775808" },
    payload: { value: { base64: "AQI=" } },
  });
});

test.each([
  ["GET", "/api/v1/deadletters/6", undefined, 404, "NOT_FOUND"],
  ["PUT", "/api/v1/pause/nope", {}, 404, "NOT_FOUND"],
  ["GET", "/api/v1/deadletters/x", undefined, 400, "REQUEST_INVALID"],
  ["GET", "/api/v1/deadletters?limit=0", undefined, 400, "REQUEST_INVALID"],
  ["GET", "/api/v1/deadletters?limti=5", undefined, 400, "REQUEST_INVALID"],
  ["POST", "/api/v1/deadletters/redrive", {}, 400, "REQUEST_INVALID"],
  ["POST", "/api/v1/deadletters/redrive", { ids: [] }, 400, "REQUEST_INVALID"],
  ["POST", "/api/v1/deadletters/redrive", { ids: ["1"] }, 400, "REQUEST_INVALID"],
  ["POST", "/api/v1/deadletters/redrive", "{", 400, "REQUEST_INVALID"],
  ["PUT", "/api/v1/pause/shop", { extra: 1 }, 400, "REQUEST_INVALID"],
  ["PUT", "/api/v1/checkpoints/shop/r/0", {}, 400, "REQUEST_INVALID"],
  [
    "PUT",
    "/api/v1/checkpoints/shop/r/0",
    "[".repeat(100) + "]".repeat(100),
    400,
    "REQUEST_INVALID",
  ],
])("%s %s %j is refused with %d %s", async (method, path, body, status, code) => {
  const { call } = client();
  const response = await call(method, path, body);
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = (await response.json()) as Record<string, unknown>;
  expect(problem).toMatchObject({ status, code, title: errorTable[code as "NOT_FOUND"].summary });
  expect(problem.detail).toBeString();
});

test.each(["__proto__", "constructor", "prototype"])(
  "S7: the key %s is refused at any depth, and reaches no prototype",
  async (key) => {
    const { call, port } = client();
    const path = "/api/v1/checkpoints/shop/r/0";
    const inner = `{"${key}": {"polluted": 1}}`;
    for (const body of [`{"position": 1, "${key}": {}}`, `{"position": [${inner}]}`]) {
      expect((await call("PUT", path, body)).status).toBe(400);
    }
    const query = await call("GET", `/api/v1/deadletters?${key}=1`);
    expect(query.status).toBe(400);
    expect(port.calls).toEqual([]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  },
);

test("HEAD is answered as GET is, and other methods are not there", async () => {
  const { call } = client();
  expect((await call("HEAD", "/healthz")).status).toBe(200);
  expect((await call("OPTIONS", "/api/v1/stat")).status).toBe(404);
  expect((await call("DELETE", "/api/v1/stat")).status).toBe(404);
});

test("S6: a body above 1 MiB is refused, its length told or not", async () => {
  const { call, port } = client();
  const large = JSON.stringify({ position: "x".repeat(1024 * 1024) });
  const told = await call("PUT", "/api/v1/checkpoints/shop/r/0", large, {
    "content-length": `${large.length}`,
  });
  expect(told.status).toBe(413);
  const app = createApp(port, { log: silentLog });
  const chunked = await app.request("http://127.0.0.1/api/v1/checkpoints/shop/r/0", {
    method: "PUT",
    headers: { ...json, "transfer-encoding": "chunked" },
    body: new Blob([large]).stream(),
  });
  expect(chunked.status).toBe(413);
  expect(await chunked.json()).toMatchObject({ code: "REQUEST_TOO_LARGE" });
  expect(port.calls).toEqual([]);
});

test("S6: a body that drips has its deadline, and one that is packed is refused", async () => {
  const { port } = client();
  const app = createApp(port, { log: silentLog, bodyMs: 20 });
  const url = "http://127.0.0.1/api/v1/pause/shop";
  const drip = new ReadableStream({
    start: (controller) => controller.enqueue(Buffer.from("{")),
  });
  const late = await app.request(url, { method: "PUT", headers: json, body: drip });
  expect(late.status).toBe(408);
  const packed = { ...json, "content-encoding": "gzip" };
  const body = Bun.gzipSync(Buffer.from("{}"));
  expect((await app.request(url, { method: "PUT", headers: packed, body })).status).toBe(415);
  expect(port.calls).toEqual([]);
});

test("invalid UTF-8 in a body is refused, not replaced", async () => {
  const { port } = client();
  const app = createApp(port, { log: silentLog });
  const body = Buffer.from([...Buffer.from('{"position":"'), 0xff, ...Buffer.from('"}')]);
  const url = "http://127.0.0.1/api/v1/checkpoints/shop/r/0";
  const response = await app.request(url, { method: "PUT", headers: json, body });
  expect(response.status).toBe(400);
  expect(port.calls).toEqual([]);
});

test("an error that nobody foresaw keeps its text to the log", async () => {
  const lines: unknown[] = [];
  const log = { ...silentLog, error: (_: string, fields?: unknown) => lines.push(fields) };
  const port = { ...fakePort(), topology: () => JSON.parse("canary") as never };
  const response = await createApp(port, { log }).request("http://127.0.0.1/api/v1/topology");
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain("canary");
  expect(lines).toHaveLength(1);
});

test("not ready is 503, and the process still counts as alive", async () => {
  const port = fakePort();
  const app = createApp(
    { ...port, stat: () => ({ ...port.stat(), ready: false }) },
    { log: silentLog },
  );
  expect((await app.request("http://127.0.0.1/readyz")).status).toBe(503);
  expect((await app.request("http://127.0.0.1/healthz")).status).toBe(200);
});

test.each([
  ["CONFIG_GRAPH", 422],
  ["RELOAD_RESTART", 422],
  ["RELOAD_HELD", 409],
] as const)(
  "a reload that is refused with %s is answered %i, with every problem",
  async (code, status) => {
    const place = { file: "dbus.yaml", line: 3, column: 5, path: "outputs[0].match" };
    const problem = {
      severity: "error",
      code,
      message: "a cycle",
      place,
      remedy: "cut it",
    } as const;
    const port = fakePort();
    port.reload = () => Promise.reject(new DbusError(code, "refused", { problems: [problem] }));
    const app = createApp(port, { log: silentLog });
    const url = "http://127.0.0.1:9876/api/v1/reload";
    const response = await app.request(url, { method: "POST", headers: json });
    expect(response.status).toBe(status);
    const body = (await response.json()) as unknown;
    expect(problemSchema.safeParse(body).error).toBeUndefined();
    expect(body).toMatchObject({ code, problems: [problem] });
  },
);
