import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../clock.ts";
import type { Log } from "../log.ts";
import { openGate } from "./connection-gate.ts";
import type { ServerTls } from "./server-tls.ts";
import { makeSocketFolder } from "./socket-folder.ts";

export type HttpListenerOptions = {
  /** An address or a name; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly tls?: ServerTls | undefined;
  /** Connections at the same time, of all clients and of one. */
  readonly connectionsMax: number;
  readonly clientConnectionsMax: number;
  /** How long a connection is kept after its last answer. */
  readonly idleMs: number;
  /** The whole answer for whom there is no room. */
  readonly refusal: string;
  readonly log: Log;
  readonly clock?: Clock;
  /**
   * `client` is the address that the request came from, for IPv6 its network. Nothing ends a
   * request that takes long but this function itself.
   */
  fetch(request: Request, client: string): Response | Promise<Response>;
  /** Answers when `fetch` has thrown. */
  error(error: Error): Response;
};

export type HttpListener = {
  readonly port: number;
  readonly pendingRequests: number;
  readonly connections: number;
  /** Refuses connections from here on; with `now` it ends those that are there as well. */
  stop(now: boolean): Promise<void>;
};

/** How long the head of a request may take. */
const headMs = 10_000;
/** Above what anybody takes, so that the answer to a body that is too large is their own. */
const bodyBytesMax = 2 ** 31 - 1;
/** Servers of clients that are gone and may come back. */
const sparesMax = 16;

type Behind = { readonly server: Bun.Server<undefined>; readonly path: string; connected: boolean };

/**
 * An HTTP server with a limit of connections in total and for each client. Each client has a server
 * of its own behind the gate: that is how a request is known to be from there. One costs 18 KiB
 * and a tenth of a millisecond. Throws what the runtime throws when it cannot listen.
 */
export function listenHttp(options: HttpListenerOptions): HttpListener {
  const folder = makeSocketFolder();
  const servers = new Map<string, Behind>();
  let made = 0;

  function start(address: string): Behind {
    const path = join(folder, `${++made}`);
    const server = Bun.serve({
      unix: path,
      maxRequestBodySize: bodyBytesMax,
      fetch: (request) => options.fetch(request, address),
      error: options.error,
      // The gate closes what is idle; how long a request may take is for its handler to say. The
      // types forbid this for a socket with a path, where it has its effect all the same.
      ...({ idleTimeout: 0 } as object),
    });
    return { server, path, connected: true };
  }

  function enter(address: string): string {
    const behind = servers.get(address) ?? start(address);
    behind.connected = true;
    servers.set(address, behind);
    return behind.path;
  }

  function left(address: string): void {
    const behind = servers.get(address);
    // One that never brought a request has none.
    if (!behind) return;
    behind.connected = false;
    // Last in the order of those that may go.
    servers.delete(address);
    servers.set(address, behind);
    const spares = [...servers].filter(([, one]) => !one.connected && pending(one) === 0);
    for (const [spare, { server }] of spares.slice(0, -sparesMax)) {
      servers.delete(spare);
      void server.stop(true);
    }
  }

  try {
    const gate = openGate({ ...options, headMs, enter, left });
    return {
      port: gate.port,
      get pendingRequests() {
        return [...servers.values()].reduce((sum, one) => sum + pending(one), 0);
      },
      get connections() {
        return gate.open;
      },
      async stop(now) {
        gate.close();
        if (now) gate.end();
        await Promise.all([...servers.values()].map(({ server }) => server.stop(now)));
        if (now) rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

const pending = ({ server }: Behind): number => server.pendingRequests;
