import { connect, createServer, type Server, type Socket } from "node:net";
import { DbusError, type InputContext } from "#plugin";
import { countLines, createGate, readLines } from "./byte-source.ts";
import { again } from "./retry.ts";
import type { StreamInputConfig } from "./stream-input-config.ts";

type Listen = NonNullable<StreamInputConfig["listen"]>;
type Connect = NonNullable<StreamInputConfig["connect"]>;

/** Takes the lines of every peer that connects; those of one peer keep their order. */
export async function runListen(
  { host, port, connectionsMax }: Listen,
  config: StreamInputConfig,
  context: InputContext,
): Promise<void> {
  const { signal, log } = context;
  const lines = countLines(config, context);
  const gate = createGate();
  const sockets = new Set<Socket>();
  const failed = Promise.withResolvers<never>();
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on("error", () => {});
    if (sockets.size >= connectionsMax) {
      socket.destroy();
      log.warn("a peer was turned away: there are connectionsMax already", { connectionsMax });
      return;
    }
    sockets.add(socket);
    readLines(socket, config, lines, signal, gate)
      .then(({ error }) => {
        if (error) log.warn("a peer broke off", { input: context.name, error });
      })
      .catch(failed.reject)
      .finally(() => {
        sockets.delete(socket);
        socket.destroy();
      });
  });
  try {
    const taken = await listen(server, host, port);
    log.info("listening for lines", { input: context.name, host, port: taken });
    context.reportState(`listening on ${host}:${taken}`);
    await Promise.race([aborted(signal), failed.promise]);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
    context.reportState(null);
  }
}

function listen(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(new DbusError("STREAM_LISTEN", `${host}:${port}: ${error.message}`, { cause: error }));
    });
    server.listen(port, host, () => resolve((server.address() as { port: number }).port));
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Reads what a peer sends, and connects again whenever it goes away. */
export async function runConnect(
  { host, port }: Connect,
  config: StreamInputConfig,
  context: InputContext,
): Promise<void> {
  const { signal } = context;
  const lines = countLines(config, context);
  await again(config, context, "STREAM_UNREACHABLE", `${host}:${port}`, async () => {
    const socket = connect({ host, port });
    const onAbort = () => socket.destroy();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const failure = await connected(socket);
      if (failure !== null) return { again: failure };
      context.reportState(null);
      const { error } = await readLines(socket, config, lines, signal, createGate());
      return { again: error?.message ?? "the peer has ended the connection" };
    } finally {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
    }
  });
}

/** Null once there is a connection, else why there is none. */
function connected(socket: Socket): Promise<string | null> {
  return new Promise((resolve) => {
    socket.once("error", (error) => resolve(error.message));
    socket.once("close", () => resolve("the connection was closed"));
    socket.once("connect", () => {
      socket.pause();
      // A peer that is gone without a word is noticed, in time.
      socket.setKeepAlive(true, 30_000);
      resolve(null);
    });
  });
}
