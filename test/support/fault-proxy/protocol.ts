import { frameReader } from "./frames.ts";
import type { Protocol, RequestPattern } from "./toxic.ts";

/** A request as it passes, with what a pattern can ask about it. */
export type RequestSeen =
  | { readonly protocol: "kafka"; readonly apiKey: number }
  | { readonly protocol: "mysql"; readonly command: number; readonly text: string }
  | { readonly protocol: "zookeeper"; readonly zkOpcode: number };

/** What becomes of a reply that is swallowed. */
export type Swallow = {
  /** The connection is lost where the reply would have been. */
  readonly cut: boolean;
  swallowed(): void;
};

/** Follows the requests and replies of one connection. */
export type Conversation = {
  /** What of the bytes goes on, and whether the connection is lost after them. */
  fromClient(chunk: Buffer): { readonly pass: readonly Buffer[]; readonly lost: boolean };
  fromServer(chunk: Buffer): { readonly pass: readonly Buffer[]; readonly lost: boolean };
};

/** `onRequest` sees each request before any of it goes on, and decides about its reply. */
export type OnRequest = (request: RequestSeen) => Swallow | undefined;

/** The port that clients are told in place of a broker's. */
export type Advertise = (port: number) => number;

export function conversation(
  protocol: Protocol | undefined,
  onRequest: OnRequest,
  advertise: Advertise,
): Conversation {
  if (protocol === "kafka") return kafkaConversation(onRequest, advertise);
  if (protocol === "mysql") return mysqlConversation(onRequest);
  if (protocol === "zookeeper") return zookeeperConversation(onRequest);
  const all = (chunk: Buffer) => ({ pass: [chunk], lost: false });
  return { fromClient: all, fromServer: all };
}

export function matches(pattern: RequestPattern, request: RequestSeen): boolean {
  if ("apiKey" in pattern) {
    return request.protocol === "kafka" && request.apiKey === pattern.apiKey;
  }
  if ("zkOpcode" in pattern) {
    return request.protocol === "zookeeper" && request.zkOpcode === pattern.zkOpcode;
  }
  if (request.protocol !== "mysql" || request.command !== pattern.command) return false;
  return pattern.text === undefined || pattern.text.test(request.text);
}

/** The kinds of request whose replies name brokers: Metadata and FindCoordinator. */
const namesBrokers = new Set([3, 10]);

/**
 * Both ways a frame is its length as int32 and so many bytes. A request begins with its key
 * (int16), version (int16) and correlation id (int32), a reply with the correlation id
 * (https://kafka.apache.org/protocol: request and response headers).
 */
function kafkaConversation(onRequest: OnRequest, advertise: Advertise): Conversation {
  const swallowing = new Map<number, Swallow>();
  const naming = new Set<number>();
  let current: number | undefined;
  let lost = false;
  const requests = frameReader({
    headBytes: () => 12,
    open(head) {
      const apiKey = head.readInt16BE(4);
      const id = head.readInt32BE(8);
      const swallow = onRequest({ protocol: "kafka", apiKey });
      if (swallow !== undefined) swallowing.set(id, swallow);
      if (namesBrokers.has(apiKey)) naming.add(id);
      return { bytes: 4 + head.readInt32BE(0), pass: true };
    },
  });
  const replies = frameReader({
    headBytes(head) {
      if (head.length < 8 || !naming.has(head.readInt32BE(4))) return 8;
      return 4 + head.readInt32BE(0);
    },
    open(head) {
      current = head.readInt32BE(4);
      if (naming.delete(current)) readdress(head, advertise);
      return { bytes: 4 + head.readInt32BE(0), pass: !swallowing.has(current) };
    },
    dropped() {
      const swallow = swallowing.get(current!);
      swallowing.delete(current!);
      swallow?.swallowed();
      lost ||= swallow?.cut === true;
    },
  });
  return {
    fromClient: (chunk) => ({ pass: requests(chunk), lost: false }),
    fromServer: (chunk) => ({ pass: replies(chunk), lost }),
  };
}

/** In every version of these replies a broker's port follows its host, as int32. */
function readdress(reply: Buffer, advertise: Advertise): void {
  const host = "127.0.0.1";
  for (let at = reply.indexOf(host); at >= 0; at = reply.indexOf(host, at + 1)) {
    const port = at + host.length;
    if (port + 4 <= reply.length) reply.writeInt32BE(advertise(reply.readInt32BE(port)), port);
  }
}

const textMax = 512;

/**
 * A packet is its length as three bytes, a number that begins with 0 at each command, and the
 * payload, which in a command begins with the command's code. A packet of 2^24-1 bytes is
 * continued by the next one (MySQL internals, "MySQL Packets"). All that the server says from one
 * command to the next is taken for the reply.
 */
function mysqlConversation(onRequest: OnRequest): Conversation {
  let swallow: Swallow | undefined;
  let told = false;
  let continued = false;
  const requests = frameReader({
    headBytes: (head) => (head.length < 4 ? 4 : 4 + Math.min(head.readUIntLE(0, 3), textMax + 1)),
    open(head) {
      const length = head.readUIntLE(0, 3);
      if (head[3] === 0 && length > 0 && !continued) {
        const text = head.toString("utf8", 5);
        swallow = onRequest({ protocol: "mysql", command: head[4]!, text });
        told = false;
      }
      continued = length === 0xffffff;
      return { bytes: 4 + length, pass: true };
    },
  });
  return {
    fromClient: (chunk) => ({ pass: requests(chunk), lost: false }),
    fromServer(chunk) {
      if (swallow === undefined) return { pass: [chunk], lost: false };
      if (!told) swallow.swallowed();
      told = true;
      return { pass: [], lost: swallow.cut };
    },
  };
}

/**
 * Both ways a frame is its length as int32 and so many bytes. The first of each way is the
 * handshake; then a request begins with its id and its opcode, a reply with the id, all int32. An
 * event of a watch comes under the id -1, unasked: it is matched as opcode 0 (`ZooDefs.OpCode`).
 */
function zookeeperConversation(onRequest: OnRequest): Conversation {
  const swallowing = new Map<number, Swallow>();
  const seen = { client: false, server: false };
  let current: Swallow | undefined;
  let lost = false;
  const requests = frameReader({
    headBytes: () => 12,
    open(head) {
      const bytes = 4 + head.readInt32BE(0);
      if (!seen.client) {
        seen.client = true;
        return { bytes, pass: true };
      }
      const swallow = onRequest({ protocol: "zookeeper", zkOpcode: head.readInt32BE(8) });
      if (swallow !== undefined) swallowing.set(head.readInt32BE(4), swallow);
      return { bytes, pass: true };
    },
  });
  const replies = frameReader({
    headBytes: () => 8,
    open(head) {
      const bytes = 4 + head.readInt32BE(0);
      const id = head.readInt32BE(4);
      if (!seen.server) {
        seen.server = true;
        return { bytes, pass: true };
      }
      const isEvent = id === -1;
      current = isEvent ? onRequest({ protocol: "zookeeper", zkOpcode: 0 }) : swallowing.get(id);
      swallowing.delete(id);
      return { bytes, pass: current === undefined };
    },
    dropped() {
      current?.swallowed();
      lost ||= current?.cut === true;
    },
  });
  return {
    fromClient: (chunk) => ({ pass: requests(chunk), lost: false }),
    fromServer: (chunk) => ({ pass: replies(chunk), lost }),
  };
}
