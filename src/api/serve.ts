import { adminHazard } from "../config/admin-address.ts";
import type { AdminConfig } from "../config/config.ts";
import { DbusError } from "../errors.ts";
import type { Log } from "../log.ts";
import { createApp } from "./app.ts";
import type { AdminPort } from "./port.ts";
import { createTokens } from "./tokens.ts";

export type AdminServer = { readonly url: string; stop(): Promise<void> };

/** Above what the app takes, so that its answer to a body that is too large has code and remedy. */
const bodyBytesMax = 2 ** 31 - 1;
const idleSeconds = 10;
/** A command may wait for what is in flight. */
const commandSeconds = 120;

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
    const server = Bun.serve({
      hostname,
      port: config.port,
      maxRequestBodySize: bodyBytesMax,
      idleTimeout: idleSeconds,
      ...(tls ? { tls: { cert: tls.cert, key: tls.key } } : {}),
      fetch(request, self) {
        if (request.method !== "GET") self.timeout(request, commandSeconds);
        return app.fetch(request);
      },
    });
    const shown = hostname.includes(":") ? `[${hostname}]` : hostname;
    return {
      url: `${tls ? "https" : "http"}://${shown}:${server.port}`,
      stop: () => server.stop(true),
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const message = `cannot listen on ${host}:${config.port}: ${why}`;
    throw new DbusError("ADMIN_LISTEN", message, { cause: error });
  }
}
