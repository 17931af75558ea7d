import {
  DbusError,
  defineInput,
  type HttpListener,
  type InputContext,
  isLoopback,
  listenHttp,
  type Packet,
  readBody,
  type Settlement,
  sleep,
} from "#plugin";
import { type Parsed, parseJson, parseNdjson } from "./body.ts";
import { createGuard } from "./guard.ts";
import { type HttpConfig, httpConfig } from "./http-config.ts";
import { problem, refusalText } from "./problem.ts";

/*
 * Takes JSON by POST: one value, a list of values, or one value a line (application/x-ndjson). Each
 * value is a packet. 202 is answered when the outputs have acked all of them, never before: whoever
 * gets another answer, or none, sends them again.
 */
export const httpInput = defineInput<HttpConfig, HttpConfig>({
  name: "HttpInput",
  summary: "Takes JSON by HTTP POST and answers 202 once the outputs have it.",
  configSchema: httpConfig,
  everywhere: true,
  // Bodies that arrive are charged as if they were in the window; text and documents are made of each.
  memory: ({ bodyBytesMax }, window) => ({ buffers: 3 * Math.max(window.bytes, bodyBytesMax) }),
  insecure: (config) => {
    if (isLoopback(config.host)) return [];
    const open = `${config.host} is listened on without`;
    return [
      ...(config.token === undefined ? [`${open} a token (allowAnonymous)`] : []),
      ...(config.tls === undefined ? [`${open} TLS (insecure)`] : []),
    ];
  },
  open(_, config) {
    const { host, token, allowAnonymous, tls, insecure } = config;
    if (isLoopback(host)) return config;
    const reached = `${host} can be reached from other machines`;
    if (token === undefined && !allowAnonymous) {
      throw new DbusError("HTTP_UNSAFE", `${reached}, and there is no token`, {
        remedy: "listen on 127.0.0.1, set token, or say allowAnonymous: true",
      });
    }
    if (tls === undefined && !insecure) {
      throw new DbusError("HTTP_UNSAFE", `${reached}, and there is no TLS`, {
        remedy: "listen on 127.0.0.1, set tls, or say insecure: true behind a proxy that has TLS",
      });
    }
    return config;
  },
  async run(config, context) {
    const server = listen(config, createDesk(config, context), context);
    const { host } = config;
    context.log.info("listening for packets", { input: context.name, host, port: server.port });
    context.reportState(`listening on ${host}:${server.port}`);
    try {
      await aborted(context.signal);
      // New connections are refused from here on; requests in progress come to their end.
      void server.stop(false);
      const deadline = context.clock.now() + config.drainMs;
      while (server.pendingRequests > 0 && context.clock.now() < deadline) {
        await sleep(context.clock, DRAIN_POLL_MS);
      }
    } finally {
      context.reportState(null);
      await server.stop(true);
    }
  },
});

const IDLE_MS = 60_000;
const DRAIN_POLL_MS = 5;

/** What one client has in progress. */
type Share = { requests: number; bytes: number };

type Answer = (request: Request, client: string) => Promise<Response>;

function listen(config: HttpConfig, answer: Answer, { log, clock }: InputContext): HttpListener {
  const { port, tls, connectionsMax, clientConnectionsMax, retryAfterSeconds } = config;
  try {
    return listenHttp({
      host: config.host.replace(/^\[|\]$/g, ""),
      ...{ port, tls, connectionsMax, clientConnectionsMax, log, clock },
      idleMs: IDLE_MS,
      refusal: refusalText(retryAfterSeconds),
      fetch: answer,
      error(error) {
        log.error("a request failed", { error });
        return problem(500, "the request failed; the packets may be sent again");
      },
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new DbusError("HTTP_LISTEN", `${config.host}:${config.port}: ${why}`, { cause: error });
  }
}

/** Counts the requests in progress and answers them. */
function createDesk(config: HttpConfig, context: InputContext): Answer {
  const guard = createGuard(config);
  const clients = new Map<string, Share>();
  let requests = 0;
  let reserved = 0;
  let count = Number(context.resume() ?? 0);

  const busy = (why: string) =>
    problem(429, why, { headers: { "retry-after": String(config.retryAfterSeconds) } });
  const closing = () =>
    problem(503, "the input is stopping", { headers: { connection: "close", "retry-after": "5" } });

  async function admitted(request: Request, own: Share): Promise<Response> {
    const parse = parserOf(request);
    if (!parse) return problem(415, "send application/json or application/x-ndjson, uncompressed");
    const declared = request.headers.get("content-length");
    const bytes = declared === null ? config.bodyBytesMax : Number(declared);
    if (bytes > config.bodyBytesMax) return tooLarge();
    if (own.bytes > 0 && own.bytes + bytes > config.clientBytesMax) {
      return busy("too many bytes of this client are in progress");
    }
    // What others are sending right now counts as if it were in the window already.
    if (!context.hasCredit(1, bytes, reserved)) return busy("the outputs are behind");
    reserved += bytes;
    own.bytes += bytes;
    let held = bytes;
    const arrived = (size: number) => {
      reserved -= bytes;
      own.bytes += size - held;
      held = size;
    };
    try {
      return await received(request, parse, arrived);
    } finally {
      own.bytes -= held;
    }
  }

  function tooLarge(): Response {
    const detail = `a body may have ${config.bodyBytesMax} bytes`;
    return problem(413, detail, { headers: { connection: "close" } });
  }

  /** `arrived` is told how large the body is, once it is known, with nothing where there is none. */
  async function received(
    request: Request,
    parse: (body: Buffer) => Parsed,
    arrived: (size: number) => void,
  ): Promise<Response> {
    const { bodyBytesMax, bodyTimeoutMs, packetsMax } = config;
    const body = await readBody(request, bodyBytesMax, bodyTimeoutMs, context.clock);
    arrived("bytes" in body ? body.bytes.byteLength : 0);
    if ("status" in body) {
      if (body.status === 413) return tooLarge();
      return problem(body.status, "the body did not arrive", { headers: { connection: "close" } });
    }
    const parsed = parse(body.bytes);
    if (!("documents" in parsed)) {
      const { detail, ...fields } = parsed;
      return problem(400, detail, { fields });
    }
    const { documents } = parsed;
    if (documents.length > packetsMax) {
      return problem(413, `a request may bring ${packetsMax} packets, not ${documents.length}`);
    }
    return documents.length === 0 ? accepted(0, "delivered") : deliver(documents);
  }

  async function deliver(documents: readonly string[]): Promise<Response> {
    if (context.signal.aborted) return closing();
    const packets = documents.map((json): Packet => {
      const payload = { kind: "document", json } as const;
      return { ident: context.ident, payload, position: ++count, bytes: Buffer.byteLength(json) };
    });
    const stop = new AbortController();
    const late = sleep(context.clock, config.ackTimeoutMs, stop.signal).then(() => "late" as const);
    const delivered = context.deliver(packets).catch(() => "stopped" as const);
    const outcome = await Promise.race([delivered, late]);
    stop.abort();
    if (outcome === "stopped") return closing();
    if (outcome === "late")
      return problem(504, "the outputs have not acked in time; send it again");
    return accepted(documents.length, outcome);
  }

  async function answer(request: Request, client: string): Promise<Response> {
    const refused = guard(request);
    if (refused) return refused;
    if (context.signal.aborted) return closing();
    const own = clients.get(client) ?? { requests: 0, bytes: 0 };
    if (requests >= config.requestsMax) return busy("too many requests in progress");
    if (own.requests >= config.clientRequestsMax) return busy("too many requests of this client");
    requests++;
    own.requests++;
    clients.set(client, own);
    try {
      return await admitted(request, own);
    } finally {
      requests--;
      if (--own.requests === 0) clients.delete(client);
    }
  }

  return answer;
}

function parserOf(request: Request): ((body: Buffer) => Parsed) | undefined {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding !== "identity") return undefined;
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type === "application/json") return parseJson;
  const lines = ["application/x-ndjson", "application/ndjson", "application/jsonl"];
  return type !== undefined && lines.includes(type) ? parseNdjson : undefined;
}

/** What the outputs refused for good is kept in the dead letters: it is in custody too. */
function accepted(count: number, how: Settlement): Response {
  const deadLettered = how === "deadlettered" ? { deadLettered: true } : {};
  return Response.json({ accepted: count, ...deadLettered }, { status: 202 });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
