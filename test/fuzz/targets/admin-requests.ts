import fc from "fast-check";
import { createApp, routeTable } from "#src/api/app.ts";
import type { Route } from "#src/api/route.ts";
import { serveAdmin } from "#src/api/serve.ts";
import { createTokens } from "#src/api/tokens.ts";
import { errorTable } from "#src/errors.ts";
import { silentLog } from "#src/log.ts";
import { fakePort } from "../../api/fake-port.ts";
import { adminConfig } from "../../support/admin-config.ts";
import type { Random } from "../../support/random.ts";
import { claim, type FuzzInput, type FuzzTarget } from "../fuzz-target.ts";
import { mutate } from "../mutate.ts";
import { hasAnswer, sendRaw } from "../raw-http.ts";

/** A request for the app itself; or, when `raw`, bytes for the socket of a server. */
type Note =
  | { readonly raw: true }
  | {
      readonly raw: false;
      readonly method: string;
      readonly path: string;
      readonly headers: readonly (readonly [string, string])[];
      readonly hasBody: boolean;
    };

/** A token for each role, those that may do less first. */
const roles = ["read", "operate", "admin"] as const;
const tokens = roles.map((role) => ({
  name: role,
  role,
  token: `0123456789-of-${role}`,
  tokenFile: undefined,
}));
const token = tokens[2]!.token;
const table = routeTable();

const words = [
  ...[
    "shop",
    "mysql-1",
    "0",
    "5",
    "..",
    "%2e%2e",
    "%2f",
    "%00",
    "%",
    "%zz",
    "a".repeat(300),
    "__proto__",
  ],
  ...[
    "é",
    "%c3%28",
    "true",
    "false",
    "-1",
    "1e9",
    "9007199254740993",
    "*",
    " ",
    "",
    ";",
    "\\",
    "'",
  ],
];
const bodyWords = [
  ...[
    '{"ids":[5]}',
    '{"position":',
    '{"__proto__":{"x":1}}',
    '"constructor"',
    "[",
    "{",
    "}",
    "]",
    '"',
  ],
  ...["1e999", "null", "\ufeff", "\u0000", '{"ids":[]}', '{"a":'.repeat(40), "{}", ","],
];
const rawWords = [
  ...["\r\n", "\n", "\r\n\r\n", "Host: a\r\n", "Content-Length: 5\r\n", "Content-Length: -1\r\n"],
  ...[
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 99999999999999999999\r\n",
    "HTTP/1.0",
    "HTTP/9.9",
  ],
  ...[
    "Expect: 100-continue\r\n",
    "Connection: close\r\n",
    "Upgrade: websocket\r\n",
    "GET ",
    "TRACE ",
  ],
  ...[
    "CONNECT a:1",
    "http://evil.example/",
    "//evil.example/",
    "\u0000",
    " ",
    "\t",
    "a".repeat(20_000),
  ],
  ...[`Authorization: Bearer ${token}\r\n`, "Origin: null\r\n", "0\r\n\r\n", "ffffffff\r\n"],
];

const methods = ["GET", "GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS"];

export const adminRequests: FuzzTarget = {
  name: "admin-requests",
  summary: "requests for every route, and raw bytes; nothing is done that was not allowed",
  growthMiBMax: 500,
  async open(corpus) {
    const port = fakePort();
    const app = createApp(port, {
      tokens: createTokens({ token: undefined, tokens }, silentLog),
      log: silentLog,
    });
    const server = await serveAdmin(adminConfig({ tokens }), port, silentLog);
    const serverPort = Number(new URL(server.url).port);
    const raws = corpus.filter(({ note }) => note.raw === true).map(({ bytes }) => bytes);
    return {
      generate: (random) => (random.chance(0.2) ? rawRequest(random, raws) : request(random)),
      run(input) {
        const note = input.note as Note;
        port.calls.splice(0);
        if (note.raw) return checkRaw(serverPort, server.url, input.bytes);
        return checkApp(app.fetch, note, input.bytes, port.calls);
      },
      close: server.stop,
    };
  },
};

function request(random: Random): FuzzInput {
  const route = random.pick(table);
  const path = pathOf(route, random);
  const method = random.chance(0.7) ? route.method.toUpperCase() : random.pick(methods);
  const headers: [string, string][] = [];
  if (random.chance(0.85)) headers.push(["authorization", authorization(random)]);
  if (random.chance(0.8)) {
    const types = ["application/json", "application/json; charset=utf-8", "text/plain", "a", ""];
    headers.push(["content-type", random.chance(0.7) ? types[0]! : random.pick(types)]);
  }
  if (random.chance(0.05))
    headers.push(["origin", random.pick(["null", "http://evil.example", "x"])]);
  if (random.chance(0.05)) headers.push(["content-encoding", random.pick(["gzip", "br", "x"])]);
  if (random.chance(0.05))
    headers.push([`x-${random.int(0, 99)}`, "v".repeat(random.int(0, 9000))]);
  const hasBody = method !== "GET" && method !== "HEAD";
  const note = { raw: false, method, path, headers, hasBody };
  return { note, bytes: hasBody ? bodyOf(random) : Buffer.alloc(0) };
}

function authorization(random: Random): string {
  if (random.chance(0.75)) return `Bearer ${random.pick(tokens).token}`;
  const wrong = [`Bearer ${token}x`, `Bearer ${token.slice(1)}`, "Bearer", "", "Basic eDp5", token];
  return random.pick(wrong);
}

function pathOf(route: Route, random: Random): string {
  const known = route.path.replace(/\{\w+\}/g, () => encode(random));
  const path = random.chance(0.9) ? known : mutate(Buffer.from(known), random).toString("latin1");
  if (random.chance(0.6)) return path;
  const names = ["node", "input", "after", "limit", "dryRun", "token", "__proto__", "x"];
  const pairs = Array.from({ length: random.int(1, 3) }, () => {
    return `${random.pick(names)}${random.chance(0.9) ? "=" : ""}${encode(random)}`;
  });
  return `${path}?${pairs.join(random.pick(["&", "&", "&&", ";"]))}`;
}

function encode(random: Random): string {
  const word = random.chance(0.4) ? random.pick(words.slice(0, 4)) : random.pick(words);
  return random.chance(0.5) && !word.includes("%") ? encodeURIComponent(word) : word;
}

function bodyOf(random: Random): Buffer {
  if (random.chance(0.25)) return Buffer.from("{}");
  if (random.chance(0.03)) {
    const deep = random.pick([31, 32, 33, 1000, 100_000]);
    return Buffer.from(`{"position":${"[".repeat(deep)}${"]".repeat(deep)}}`);
  }
  if (random.chance(0.01)) return Buffer.alloc(2 ** 20 + random.int(-1, 2), 0x20);
  const seed = random.int(0, 2 ** 31 - 1);
  const position = fc.record({ position: fc.jsonValue({ maxDepth: 4 }) });
  const ids = fc.record({ ids: fc.oneof(fc.array(fc.nat(), { maxLength: 4 }), fc.jsonValue()) });
  const [value] = fc.sample(fc.oneof(position, ids, fc.jsonValue()), { seed, numRuns: 1 });
  const bytes = Buffer.from(JSON.stringify(value));
  return random.chance(0.5) ? bytes : mutate(bytes, random, { dictionary: bodyWords });
}

type Fetch = (request: Request) => Response | Promise<Response>;

async function checkApp(
  fetch: Fetch,
  note: Extract<Note, { raw: false }>,
  bytes: Buffer,
  calls: readonly unknown[],
): Promise<string> {
  let made: Request;
  try {
    const { method } = note;
    const headers = new Headers(note.headers.map(([name, value]) => [name, value]));
    const body = note.hasBody ? new Uint8Array(bytes) : null;
    made = new Request(new URL(note.path, "http://127.0.0.1:9876").href, { method, headers, body });
  } catch {
    return "no request";
  }
  const response = await fetch(made);
  const text = await response.text();
  checkAnswer(response.status, response.headers, text, note.method);
  checkAllowed(made, response.status, calls);
  return String(response.status);
}

/** What was done, and what was shown, was asked for by somebody who may. */
function checkAllowed(made: Request, status: number, calls: readonly unknown[]): void {
  const sent = made.headers.get("authorization") ?? "";
  const held = tokens.find((one) => sent.toLowerCase() === `bearer ${one.token}`)?.role;
  const { pathname } = new URL(made.url);
  const open = table.some((route) => route.open && route.path === pathname);
  if (held === undefined && !open) {
    claim(status === 401 || status === 403, `${status} without a token`);
  }
  const route = table.find((one) => matches(one, made.method, pathname));
  const may = held !== undefined && roles.indexOf(held) >= roles.indexOf(route?.role ?? "read");
  if (status === 200 && !open) claim(may, `${held} was let do ${route?.method} ${route?.path}`);
  const changed = calls.some((call) => Array.isArray(call) && call[0] !== "list");
  if (!changed) return;
  claim(may && status === 200, `it was done for ${held}, and answered ${status}`);
  const type = made.headers.get("content-type") ?? "";
  claim(type.toLowerCase().startsWith("application/json"), `it was done for the type ${type}`);
  const { method } = made;
  claim(!["GET", "HEAD", "OPTIONS"].includes(method), `${method} has changed something`);
}

function matches(route: Route, method: string, path: string): boolean {
  const verb = method === "HEAD" ? "GET" : method;
  const pattern = route.path.replace(/\{\w+\}/g, "[^/]+");
  return route.method.toUpperCase() === verb && new RegExp(`^${pattern}$`).test(path);
}

function checkAnswer(status: number, headers: Headers, text: string, method: string): void {
  claim(status < 500 || status === 503, `it answers ${status}: ${text.slice(0, 300)}`);
  claim(headers.get("x-content-type-options") === "nosniff", "the safety headers are there");
  claim(headers.get("access-control-allow-origin") === null, "no other site is let in");
  claim(!tokens.some((one) => text.includes(one.token)), "a token is in no answer");
  if (method === "HEAD" || status < 400) return;
  claim(headers.get("content-type") === "application/problem+json", `${status} is a problem`);
  const { code, remedy } = JSON.parse(text) as { code: keyof typeof errorTable; remedy: string };
  claim(errorTable[code] !== undefined && errorTable[code].kind !== "bug", `the code is ${code}`);
  claim(typeof remedy === "string" && remedy !== "", "a problem has a remedy");
}

function rawRequest(random: Random, corpus: readonly Buffer[]): FuzzInput {
  const route = random.pick(table);
  const body = route.body ? '{"ids":[5]}' : "";
  const lines = [
    `${route.method.toUpperCase()} ${pathOf(route, random)} HTTP/1.1`,
    "Host: 127.0.0.1",
    ...(random.chance(0.5) ? [`Authorization: Bearer ${token}`] : []),
    ...(body ? ["Content-Type: application/json", `Content-Length: ${body.length}`] : []),
  ];
  const whole = Buffer.from(`${lines.join("\r\n")}\r\n\r\n${body}`, "latin1");
  const from = corpus.length > 0 && random.chance(0.2) ? random.pick(corpus) : whole;
  const note = { raw: true };
  return { note, bytes: mutate(from, random, { dictionary: rawWords, others: [whole] }) };
}

let raws = 0;

async function checkRaw(port: number, url: string, bytes: Buffer): Promise<string> {
  const { statuses, text, closed } = await sendRaw(port, bytes, hasAnswer);
  const status = statuses[0];
  const inOrder = status === undefined || status < 500 || status === 503 || status === 505;
  claim(inOrder, `it answers ${text.slice(0, 300)}`);
  claim(!tokens.some((one) => text.includes(one.token)), "a token is in no answer");
  if (++raws % 20 === 0) {
    const alive = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(5_000) });
    claim(alive.status === 200, `the next one is answered with ${alive.status}`);
  }
  return `raw ${status ?? (closed ? "closed" : "no answer")}`;
}
