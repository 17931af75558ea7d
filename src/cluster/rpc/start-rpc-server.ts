import { problemResponse } from "#src/api/problem.ts";
import { type Clock, systemClock } from "#src/clock.ts";
import { isLoopback } from "#src/config/admin-address.ts";
import { DbusError } from "#src/errors.ts";
import { type HttpListener, listenHttp } from "#src/http/listener.ts";
import type { ServerTls } from "#src/http/server-tls.ts";
import type { Log } from "#src/log.ts";
import { createRpcApp, type RpcHandlers } from "./rpc-app.ts";

export type RpcServerOptions = {
  /** An address or a name, IPv6 with or without brackets; port 0 takes any free one. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls?: ServerTls | undefined;
  /** What every participant of the cluster knows; without one only this machine may call. */
  readonly key: string | undefined;
  readonly clusterId: string;
  readonly pid: string;
  readonly handlers: RpcHandlers;
  readonly log: Log;
  readonly clock?: Clock;
};

export type RpcServer = {
  /** Where it listens, `host:port`. */
  readonly address: string;
  stop(): Promise<void>;
};

/** Participants, each with one connection for one call; one that goes mad may not keep others out. */
const connectionsMax = 512;
const clientConnectionsMax = 64;
const idleMs = 5_000;
const keyCharsMin = 16;

/**
 * Listens for other participants. Throws CLUSTER_RPC_UNSAFE when other machines could call and
 * there is no key, or one that can be guessed, and CLUSTER_RPC_LISTEN when the address is not to
 * be had.
 */
export async function startRpcServer(options: RpcServerOptions): Promise<RpcServer> {
  const { listen, key, tls, log, clock = systemClock } = options;
  const hazard = hazardOf(listen.host, key);
  if (hazard !== null) throw new DbusError("CLUSTER_RPC_UNSAFE", hazard);
  const app = createRpcApp({ ...options, key: key ?? "", clock });
  const host = listen.host.replace(/^\[|\]$/g, "");
  const shown = host.includes(":") ? `[${host}]` : host;
  let listener: HttpListener;
  try {
    listener = listenHttp({
      ...{ host, port: listen.port, tls, connectionsMax, clientConnectionsMax, idleMs },
      ...{ refusal, log, clock, error: problemResponse },
      fetch: (request) => app.fetch(request),
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot listen on ${shown}:${listen.port}: ${why}`;
    throw new DbusError("CLUSTER_RPC_LISTEN", message, { cause });
  }
  return { address: `${shown}:${listener.port}`, stop: () => listener.stop(true) };
}

/** To whom there is no room for, before anything of a call is read. */
const refusal =
  "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

function hazardOf(host: string, key: string | undefined): string | null {
  if (key !== undefined && key.length < keyCharsMin) {
    return `the cluster's key has less than ${keyCharsMin} characters`;
  }
  if (key !== undefined || isLoopback(host)) return null;
  return `${host} can be reached from other machines, and the cluster has no key`;
}
