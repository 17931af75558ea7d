import { connect, createServer, type Socket } from "node:net";
import { type FaultProxy, type FaultProxyOptions, faultProxy } from "../fault-proxy.ts";
import { waitFor } from "../wait-for.ts";

/** One end of a connection and what it has seen, for tests of the proxy itself. */
export type End = {
  readonly socket: Socket;
  readonly received: Buffer;
  /** The sizes of what single reads gave. */
  readonly reads: readonly number[];
  /** `fin`: the other side sends no more. `reset` and `closed`: the connection is gone. */
  readonly state: "open" | "fin" | "reset" | "closed";
  receives(bytes: number): Promise<Buffer>;
  becomes(state: End["state"]): Promise<void>;
};

export type Around = {
  readonly proxy: FaultProxy;
  /** Where the server is. */
  readonly listener: { readonly port: number };
  /** A connected client and its end at the server. */
  pair(): Promise<{ readonly client: End; readonly server: End }>;
  client(): End;
  /** Ends at the server, in the order in which they were accepted. */
  readonly servers: readonly End[];
};

/** A server that only listens, a proxy before it, and clients of it; all are gone afterwards. */
export async function withProxy(
  use: (around: Around) => Promise<void>,
  options: FaultProxyOptions = { seed: 1 },
): Promise<void> {
  const servers: End[] = [];
  const clients: End[] = [];
  const listener = createServer({ allowHalfOpen: true }, (socket) => servers.push(endOf(socket)));
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address() as { port: number };
  const proxy = await faultProxy(address, options);
  const client = () => {
    const end = endOf(connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true }));
    clients.push(end);
    return end;
  };
  try {
    const pair = async () => {
      const before = servers.length;
      const made = client();
      await waitFor(() => servers.length > before, { what: "the connection", intervalMs: 1 });
      return { client: made, server: servers[before]! };
    };
    await use({ proxy, listener: address, pair, client, servers });
  } finally {
    await proxy.close();
    for (const { socket } of [...clients, ...servers]) socket.destroy();
    listener.close();
  }
}

function endOf(socket: Socket): End {
  const chunks: Buffer[] = [];
  let state: End["state"] = "open";
  let length = 0;
  socket.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    length += chunk.length;
  });
  socket.on("end", () => {
    if (state === "open") state = "fin";
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "ECONNRESET") state = "reset";
  });
  socket.on("close", () => {
    if (state !== "reset") state = "closed";
  });
  const received = () => Buffer.concat(chunks);
  return {
    socket,
    get received() {
      return received();
    },
    get reads() {
      return chunks.map(({ length }) => length);
    },
    get state() {
      return state;
    },
    async receives(bytes) {
      const what = `${bytes} bytes`;
      await waitFor(() => length >= bytes, { what, intervalMs: 1, timeoutMs: 4_000 });
      return received();
    },
    async becomes(wanted) {
      const what = `the end to be ${wanted}`;
      await waitFor(() => state === wanted, { what, intervalMs: 1, timeoutMs: 4_000 });
    },
  };
}
