import { connect, createServer, type Socket } from "node:net";

/**
 * A TCP proxy that can swallow an answer: the request gets to the server, the reply never to the
 * client. The only way to make the outcome of a request unknown at a chosen moment.
 */
export type ReplyThief = {
  readonly port: number;
  /** The next reply is swallowed and its connection cut. */
  steal(): void;
  /** How many replies were swallowed. */
  readonly stolen: number;
  /** Connections end at once, and new ones are refused until `open`. */
  shut(): void;
  open(): void;
  close(): void;
};

export async function replyThief(target: () => number): Promise<ReplyThief> {
  const sockets = new Set<Socket>();
  let armed = false;
  let stolen = 0;
  let isOpen = true;

  const server = createServer((client) => {
    if (!isOpen) {
      client.destroy();
      return;
    }
    const upstream = connect(target(), "127.0.0.1");
    const cut = () => {
      client.destroy();
      upstream.destroy();
      sockets.delete(client);
    };
    sockets.add(client);
    for (const socket of [client, upstream]) socket.on("error", cut).on("close", cut);
    client.on("data", (data) => upstream.write(data));
    upstream.on("data", (data) => {
      if (armed) {
        armed = false;
        stolen++;
        cut();
      } else client.write(data);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const shut = () => {
    isOpen = false;
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: typeof address === "object" && address ? address.port : 0,
    steal: () => {
      armed = true;
    },
    get stolen() {
      return stolen;
    },
    shut,
    open: () => {
      isOpen = true;
    },
    close: () => {
      shut();
      server.close();
    },
  };
}
