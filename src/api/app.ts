import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { getPath } from "hono/utils/url";
import type { ZodType } from "zod";
import packageJson from "../../package.json" with { type: "json" };
import { DbusError, toDbusError } from "../errors.ts";
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
export function createApp(port: AdminPort, { tokens = noTokens, log }: AppOptions): Hono<Env> {
  const app = new Hono<Env>({ getPath: pathOf });
  app.use(async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(safetyHeaders)) context.header(name, value);
  });
  const tooLarge = () =>
    problemResponse(new DbusError("REQUEST_TOO_LARGE", "the body is larger than 1 MiB"));
  const limit = bodyLimit({ maxSize: bodyBytesMax, onError: tooLarge });
  for (const one of routeTable()) {
    const path = one.path.replace(/\{(\w+)\}/g, ":$1");
    app.on(one.method.toUpperCase(), path, async (context, next) => {
      context.set("holder", guard(context.req.raw, tokens, one));
      await next();
    });
    app.on(one.method.toUpperCase(), path, limit, async (context) => {
      const query = context.req.query();
      const input = {
        params: checked(one.params, context.req.param(), "path"),
        query: checked(one.query, query, "query"),
        body: one.body ? checked(one.body, await readBody(context.req.raw), "body") : undefined,
      };
      const { status = 200, type, body } = await one.handle(port, input);
      const by = context.get("holder")?.name;
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
    if (error instanceof MediaError) return problemResponse(error.reason, 415);
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

/** Carries its status: the code is that of any request that is not valid. */
class MediaError extends Error {
  readonly reason = new DbusError("REQUEST_INVALID", "the content type is not application/json", {
    remedy: "send the header content-type: application/json",
  });
}

async function readBody(request: Request): Promise<unknown> {
  if (!isJson(request)) throw new MediaError();
  const bytes = await request.arrayBuffer();
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
