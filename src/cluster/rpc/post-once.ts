import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Clock } from "#src/clock.ts";
import { DbusError } from "#src/errors.ts";
import { answerBytesMax } from "./messages.ts";
import { headers as names } from "./signature.ts";

export type Post = {
  /** `host:port`, as a participant has registered it. */
  readonly rpc: string;
  readonly path: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: { readonly ca?: string | undefined } | undefined;
  readonly clock: Clock;
  readonly timeoutMs: number;
};

export type PostAnswer = {
  readonly status: number;
  readonly signature: string | null;
  readonly body: Buffer;
};

/**
 * Posts over a connection of its own: connecting, asking and the whole answer take `timeoutMs`
 * together at most. Rejects with CLUSTER_RPC_UNANSWERED. Not by `fetch`, which goes by way of
 * `http_proxy` where the environment has one.
 */
export function postOnce(post: Post): Promise<PostAnswer> {
  const { rpc, path, body, tls, clock, timeoutMs } = post;
  const { promise, resolve, reject } = Promise.withResolvers<PostAnswer>();
  const { host, port } = hostOf(rpc);
  const fail = (why: string, cause?: unknown) =>
    reject(new DbusError("CLUSTER_RPC_UNANSWERED", `${rpc}: ${why}`, { cause }));
  const headers = { ...post.headers, "content-length": String(body.byteLength) };
  const common = { host, port, path, method: "POST", headers, agent: false as const };
  const onAnswer = (message: IncomingMessage) =>
    void read(message).then(resolve, (cause: Error) => fail(cause.message, cause));
  const request = tls
    ? requestHttps({ ...common, ...(tls.ca === undefined ? {} : { ca: tls.ca }) }, onAnswer)
    : requestHttp(common, onAnswer);
  const timer = clock.after(timeoutMs, () => {
    fail(`no answer in ${timeoutMs} ms`);
    request.destroy();
  });
  request.on("error", (cause) => fail(cause.message, cause));
  request.end(body);
  return promise.finally(() => {
    timer.cancel();
    request.destroy();
  });
}

/** The whole answer; throws at the first byte beyond what one may have. */
async function read(message: IncomingMessage): Promise<PostAnswer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of message as AsyncIterable<Buffer>) {
    size += piece.byteLength;
    if (size > answerBytesMax) throw new Error("the answer is too long");
    pieces.push(piece);
  }
  const signature = message.headers[names.signature];
  return {
    status: message.statusCode ?? 0,
    signature: typeof signature === "string" ? signature : null,
    body: Buffer.concat(pieces),
  };
}

/** It comes from ZooKeeper: nothing but a host and a port is taken from it. */
function hostOf(rpc: string): { readonly host: string; readonly port: number } {
  const found = /^(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(rpc);
  const host = found?.[1] ?? found?.[2];
  const port = Number(found?.[3] ?? 0);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new DbusError("CLUSTER_RPC_UNANSWERED", `${JSON.stringify(rpc)} is no host:port`);
  }
  return { host, port };
}
