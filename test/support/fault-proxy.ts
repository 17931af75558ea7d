import { connect, createServer, type Socket } from "node:net";
import { type Link, openLink } from "./fault-proxy/link.ts";
import { conversation } from "./fault-proxy/protocol.ts";
import type { Direction, Protocol, Toxic } from "./fault-proxy/toxic.ts";
import { type AddedToxic, type ToxicOptions, toxicList } from "./fault-proxy/toxic-list.ts";
import { testSeed } from "./random.ts";

export type { Direction, Protocol, Toxic } from "./fault-proxy/toxic.ts";
export type { AddedToxic, ToxicOptions } from "./fault-proxy/toxic-list.ts";

/** A connection that is there, and what it has passed on. */
export type Connection = {
  readonly number: number;
  readonly forwarded: Readonly<Record<Direction, number>>;
};

export type ProxyStats = {
  /** Connections accepted so far, and those of them that are still there. */
  readonly accepted: number;
  readonly open: number;
  /** Bytes that were passed on. */
  readonly upstream: number;
  readonly downstream: number;
};

export type FaultProxy = {
  readonly host: "127.0.0.1";
  readonly port: number;
  /** What the random toxics are drawn from. */
  readonly seed: number;
  /** Toxics work in the order in which they were added. */
  add(toxic: Toxic, options?: ToxicOptions): AddedToxic;
  /** Removes every toxic. */
  heal(): void;
  /** Ends all connections with RST, or as if closed properly; new ones are accepted as before. */
  cut(how?: "reset" | "close"): void;
  stats(): ProxyStats;
  connections(): readonly Connection[];
  /** Stops listening and ends every connection; resolves when all sockets are closed. */
  close(): Promise<void>;
};

export type FaultProxyOptions = {
  /** Drawn and printed unless told: see `testSeed`. */
  readonly seed?: number;
  /** What is spoken, in plain text: needed for `swallow_reply`. */
  readonly protocol?: Protocol;
  /** The address that the server sees, e.g. 127.0.0.2; 127.0.0.1 unless told. */
  readonly from?: string;
  /**
   * The port that Kafka clients are told in place of a broker's on 127.0.0.1, so that they come
   * back to a proxy; unless told, this proxy's for its own broker and no other.
   */
  advertise?(port: number): number;
};

/**
 * A TCP proxy on loopback between clients and a server, which does to connections what a network
 * does on bad days. `to` is asked at each connection, so the server may move. Every random choice
 * depends on the seed, the toxic and the connection alone; what is counted is counted in bytes,
 * since TCP may cut a stream into other chunks each time.
 */
export async function faultProxy(
  to: { readonly port: number } | (() => { readonly port: number }),
  { seed = testSeed("fault proxy"), protocol, ...options }: FaultProxyOptions = {},
): Promise<FaultProxy> {
  const links = new Set<Link>();
  const toxics = toxicList(links, seed, protocol);
  const totals = { accepted: 0, upstream: 0, downstream: 0 };
  const allClosed = Promise.withResolvers<void>();
  let closing = false;

  function accept(client: Socket): void {
    const target = (typeof to === "function" ? to() : to).port;
    const number = ++totals.accepted;
    const link = openLink({
      ...{ number, client },
      server: connect({
        ...{ port: target, host: "127.0.0.1", allowHalfOpen: true },
        ...(options.from === undefined ? {} : { localAddress: options.from }),
      }),
      talk: conversation(
        protocol,
        (request) => toxics.onRequest(number, request),
        options.advertise ?? ((broker) => (broker === target ? port : broker)),
      ),
      forwarded(direction, bytes) {
        totals[direction] += bytes;
      },
      closed(closed) {
        links.delete(closed);
        if (closing && links.size === 0) allClosed.resolve();
      },
    });
    links.add(link);
    toxics.attach(link);
    if (closing) link.end("reset");
  }

  const server = createServer({ allowHalfOpen: true }, accept);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };

  function cut(how: "reset" | "close" = "reset"): void {
    for (const link of links) link.end(how);
  }

  return {
    ...{ host: "127.0.0.1", port, seed, cut },
    add: toxics.add,
    heal: toxics.heal,
    stats: () => ({ ...totals, open: links.size }),
    connections: () => [...links],
    async close() {
      if (closing) return allClosed.promise;
      closing = true;
      const stopped = new Promise<void>((resolve) => void server.close(() => resolve()));
      cut();
      if (links.size === 0) allClosed.resolve();
      await Promise.all([allClosed.promise, stopped]);
    },
  };
}
