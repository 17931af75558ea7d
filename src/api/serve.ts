import { adminHazard } from "../config/admin-address.ts";
import type { AdminConfig } from "../config/config.ts";
import { DbusError } from "../errors.ts";
import { listenHttp } from "../http/listener.ts";
import type { Log } from "../log.ts";
import { createApp } from "./app.ts";
import type { AdminPort } from "./port.ts";
import { problemResponse } from "./problem.ts";
import { createTokens } from "./tokens.ts";

export type AdminServer = { readonly url: string; stop(): Promise<void> };

/** People, probes and scrapers; one client of them may not keep the others out. */
const connectionsMax = 256;
const clientConnectionsMax = 64;
const idleMs = 10_000;

/**
 * Listens. Throws `ADMIN_UNSAFE` when others could reach it without a token or TLS, `ADMIN_LISTEN`
 * when the address is taken or not there, `SECRET_MISSING` when the file of a token is not.
 */
export async function serveAdmin(
  config: AdminConfig,
  port: AdminPort,
  log: Log,
): Promise<AdminServer> {
  const { host, tls } = config;
  const hazard = adminHazard(config);
  if (hazard !== null) throw new DbusError("ADMIN_UNSAFE", hazard);
  const app = createApp(port, { tokens: createTokens(config, log), log });
  const hostname = host.replace(/^\[|\]$/g, "");
  try {
    const server = listenHttp({
      host: hostname,
      port: config.port,
      tls,
      connectionsMax,
      clientConnectionsMax,
      idleMs,
      refusal: await refusal(),
      log,
      fetch: (request) => app.fetch(request),
      error: problemResponse,
    });
    const shown = hostname.includes(":") ? `[${hostname}]` : hostname;
    const url = `${tls ? "https" : "http"}://${shown}:${server.port}`;
    return { url, stop: () => server.stop(true) };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const message = `cannot listen on ${host}:${config.port}: ${why}`;
    throw new DbusError("ADMIN_LISTEN", message, { cause: error });
  }
}

/** What is written to whom there is no room for, before anything of a request is read. */
async function refusal(): Promise<string> {
  const error = new DbusError("ADMIN_BUSY", "too many connections, and all of them have a request");
  const body = await problemResponse(error, 503).text();
  const head = [
    "HTTP/1.1 503 Service Unavailable",
    "content-type: application/problem+json",
    `content-length: ${Buffer.byteLength(body)}`,
    "retry-after: 1",
    "connection: close",
  ];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}
