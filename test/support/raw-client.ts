import { connect, type Socket } from "node:net";
import { waitFor } from "./wait-for.ts";

/** A TCP client that sends what it is told to and keeps what comes back. */
export type RawClient = {
  readonly socket: Socket;
  send(text: string): void;
  received(): string;
  readonly closed: boolean;
  /** Waits for the status of an answer. */
  status(): Promise<number>;
  end(): void;
};

/** Connects on loopback; `from` is the address that it comes from. */
export async function rawClient(port: number, from = "127.0.0.1"): Promise<RawClient> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: from });
  let text = "";
  let closed = false;
  socket.on("data", (piece) => {
    text += piece.toString("latin1");
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    closed = true;
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return {
    socket,
    send: (piece) => void socket.write(piece),
    received: () => text,
    get closed() {
      return closed;
    },
    status: () => waitFor(() => statusOf(text), { what: "an answer" }),
    end: () => void socket.destroy(),
  };
}

function statusOf(text: string): number | undefined {
  const status = /^HTTP\/1\.1 (\d{3})/.exec(text)?.[1];
  return status === undefined ? undefined : Number(status);
}
