import { createServer as createPlain, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createSecure } from "node:https";

/** What stands between a client and a node, and may answer in its place. */
export type EsGate = {
  readonly url: string;
  /** Every request that came, as `METHOD /path`. */
  readonly asked: readonly string[];
  readonly authorizations: readonly (string | undefined)[];
  close(): Promise<void>;
};

export type GateRules = {
  /** Answers itself, before the node has seen anything. */
  readonly before?: (request: string, headers: IncomingMessage["headers"]) => Answer | undefined;
  /** Ends the connection when the node has answered, so that its answer is lost. */
  readonly swallow?: (request: string) => boolean;
  readonly tls?: { readonly cert: string; readonly key: string };
};

export type Answer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** Listens on loopback before a node; what no rule concerns goes through both ways. */
export async function startEsGate(node: string, rules: GateRules): Promise<EsGate> {
  const asked: string[] = [];
  const authorizations: (string | undefined)[] = [];

  async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const { method = "GET", url = "/", headers } = incoming;
    const request = `${method} ${url}`;
    const body = await bodyOf(incoming);
    asked.push(request);
    authorizations.push(headers.authorization);
    const own = rules.before?.(request, headers);
    if (own !== undefined) {
      outgoing.writeHead(own.status, own.headers).end(own.body ?? "");
      return;
    }
    const type = String(headers["content-type"] ?? "application/json");
    const forwarded = await fetch(`${node}${url}`, {
      method,
      headers: { "content-type": type, accept: String(headers.accept ?? "*/*") },
      ...(body.length > 0 ? { body } : {}),
    });
    const text = await forwarded.text();
    if (rules.swallow?.(request)) {
      incoming.socket.destroy();
      return;
    }
    const product = forwarded.headers.get("x-elastic-product");
    outgoing.writeHead(forwarded.status, {
      "content-type": forwarded.headers.get("content-type") ?? "application/json",
      ...(product === null ? {} : { "x-elastic-product": product }),
    });
    outgoing.end(text);
  }

  const listener = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    answer(incoming, outgoing).catch(() => incoming.socket.destroy());
  };
  const { tls } = rules;
  const server = tls ? createSecure(tls, listener) : createPlain(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `${tls ? "https" : "http"}://localhost:${port}`,
    asked,
    authorizations,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
