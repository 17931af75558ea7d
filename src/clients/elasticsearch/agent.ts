import { Agent } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { guardedLookup } from "./address-guard.ts";

type ConnectionOptions = { readonly url: URL; readonly tls?: object };

/** One bulk at a time, and beside it what is asked of indices. */
const maxSockets = 8;

/**
 * The connections to a node. Their sockets have no `_writev`, and so write the head of a request and
 * its body one after the other: with it node:http would copy each bulk to write both at once.
 */
export function createAgent({ url, tls = {} }: ConnectionOptions): Agent {
  const options = { lookup: guardedLookup, keepAlive: true, maxSockets };
  const agent =
    url.protocol === "https:" ? new TlsAgent({ ...options, ...tls }) : new Agent(options);
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (wanted, done) => {
    const socket = connect(wanted, done);
    if (socket) Object.assign(socket, { _writev: undefined });
    return socket;
  };
  return agent;
}
