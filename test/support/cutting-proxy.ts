import { connect, createServer, type Socket } from "node:net";

export type CuttingProxy = {
  readonly port: number;
  /** How many connections were cut. */
  cuts(): number;
  close(): void;
};

/**
 * Forwards connections to a port of this machine, and resets one of them, counted from 1, when the
 * server has sent so many bytes over it.
 */
export async function cuttingProxy(
  toPort: number,
  cut: { readonly connection: number; readonly bytes: number },
): Promise<CuttingProxy> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let cuts = 0;

  function track(socket: Socket, other: Socket) {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      sockets.delete(socket);
      other.destroy();
    });
  }

  const server = createServer((client) => {
    const upstream = connect(toPort, "127.0.0.1");
    const number = ++connections;
    let left = number === cut.connection ? cut.bytes : Number.POSITIVE_INFINITY;
    track(client, upstream);
    track(upstream, client);
    client.on("data", (chunk) => upstream.write(chunk));
    upstream.on("data", (chunk: Buffer) => {
      if (left <= 0 && number === cut.connection && client.destroyed) return;
      client.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left > 0) return;
      cuts++;
      client.end();
      client.destroySoon();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    cuts: () => cuts,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
