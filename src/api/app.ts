import { Hono } from "hono";
import { getPath } from "hono/utils/url";
import type { ZodType } from "zod";
import packageJson from "../../package.json" with { type: "json" };
import { systemClock } from "../clock.ts";
import { DbusError, toDbusError } from "../errors.ts";
import { readBody } from "../http/read-body.ts";
import type { Log } from "../log.ts";
import { encodeJson, faultOf } from "./encode.ts";
import { guard, isJson, safetyHeaders } from "./guard.ts";
import { openApi } from "./openapi.ts";
import type { AdminPort } from "./port.ts";
import { problemResponse } from "./problem.ts";
import { type Route, route } from "./route.ts";
import { routes } from "./routes/index.ts";
import { type Holder, noTokens, type Tokens } from "./tokens.ts";

export type AppOptions = {
  /** Wanted from everybody but probes, when there are any. */
  readonly tokens?: Tokens;
  readonly log: Log;
  /** How long a body may take to arrive. */
  readonly bodyMs?: number;
};

type Env = { Variables: { holder: Holder | null } };

const bodyBytesMax = 1024 * 1024;
const jsonDepthMax = 32;

/** The whole table, the document that describes it included. */
export function routeTable(): readonly Route[] {
  const document = openApi(routes, packageJson.version);
  const self = route({
    method: "get",
    path: "/api/v1/openapi.json",
    summary: "This document.",
    handle: () => ({ type: "application/json", body: JSON.stringify(document) }),
  });
  return [...routes, self];
}

/** The admin API over a running bus. Its handlers ask the port; they hold no state of their own. */
export function createApp(
  port: AdminPort,
  { tokens = noTokens, log, bodyMs = 10_000 }: AppOptions,
): Hono<Env> {
  const app = new Hono<Env>({ getPath: pathOf });
  app.use(async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(safetyHeaders)) context.header(name, value);
  });
  for (const one of routeTable()) {
    const path = one.path.replace(/\{(\w+)\}/g, ":$1");
    app.on(one.method.toUpperCase(), path, async (context, next) => {
      context.set("holder", guard(context.req.raw, tokens, one));
      await next();
    });
    app.on(one.method.toUpperCase(), path, async (context) => {
      // Also where none is wanted: what is not read would come as the next request.
      const bytes = await bodyOf(context.req.raw, bodyMs);
      const query = context.req.query();
      const holder = context.get("holder");
      const input = {
        by: holder ? `${holder.name} (${holder.role})` : "somebody",
        params: checked(one.params, context.req.param(), "path"),
        query: checked(one.query, query, "query"),
        body: one.body ? checked(one.body, parseBody(context.req.raw, bytes), "body") : undefined,
      };
      const { status = 200, type, body } = await one.handle(port, input);
      const by = holder?.name;
      if (one.method !== "get") log.info(`admin: ${one.method} ${one.path}`, { status, by });
      const headers = { "content-type": type ?? "application/json" };
      return new Response(type ? String(body) : encodeJson(body), { status, headers });
    });
  }
  app.notFound((context) => {
    try {
      guard(context.req.raw, tokens, { open: false, role: "read" });
      return problemResponse(new DbusError("NOT_FOUND", `no ${context.req.method} here`));
    } catch (refusal) {
      // Outside of here it is caught too late for the safety headers.
      return problemResponse(refusal);
    }
  });
  app.onError((error) => {
    if (error instanceof Refusal) return problemResponse(error.reason, error.status);
    const failure = toDbusError(error);
    if (failure.kind === "bug") log.error("the admin API failed", { error: failure });
    return problemResponse(error);
  });
  return app;
}

/** HTTP/1.0 knows no Host, and then the URL is the bare path. */
function pathOf(request: Request): string {
  const { url } = request;
  return getPath(url.startsWith("/") ? new Request(`http://localhost${url}`) : request);
}

/** Carries its status where the code alone does not say it. */
class Refusal extends Error {
  readonly status: number;
  readonly reason: DbusError;

  constructor(status: number, reason: DbusError) {
    super(reason.message);
    this.status = status;
    this.reason = reason;
  }
}

async function bodyOf(request: Request, timeoutMs: number): Promise<Buffer> {
  const encoding = request.headers.get("content-encoding") ?? "identity";
  // A few bytes may unpack to more than there is memory (S6).
  if (encoding !== "identity") throw invalid(415, "a body with a content encoding is not taken");
  const body = await readBody(request, bodyBytesMax, timeoutMs, systemClock);
  if ("bytes" in body) return body.bytes;
  if (body.status === 408) throw invalid(408, "the body did not arrive in time");
  if (body.status === 400) throw invalid(400, "the body did not arrive");
  throw new DbusError("REQUEST_TOO_LARGE", "the body is larger than 1 MiB");
}

function invalid(status: number, message: string, remedy?: string): Refusal {
  return new Refusal(status, new DbusError("REQUEST_INVALID", message, remedy ? { remedy } : {}));
}

function parseBody(request: Request, bytes: Buffer): unknown {
  if (!isJson(request)) {
    const remedy = "send the header content-type: application/json";
    throw invalid(415, "the content type is not application/json", remedy);
  }
  if (bytes.byteLength === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new DbusError("REQUEST_INVALID", "the body is not valid JSON in UTF-8");
  }
  const fault = faultOf(value, jsonDepthMax);
  if (fault !== null) throw new DbusError("REQUEST_INVALID", `the body: ${fault}`);
  return value;
}

function checked(schema: ZodType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map((issue) => {
    return `${[where, ...issue.path].join(".")}: ${issue.message}`;
  });
  throw new DbusError("REQUEST_INVALID", faults.join("; "));
}
