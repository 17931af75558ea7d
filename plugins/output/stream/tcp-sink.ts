import { connect, type Socket } from "node:net";
import { DbusError, type OutputContext } from "#plugin";
import type { Sink } from "./sink.ts";

export type TcpSinkOptions = {
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
};

/**
 * A TCP peer. Lines count as written when the kernel has taken them; a connection that breaks is
 * made anew at the next write, which begins with a whole line.
 */
export function openTcpSink(options: TcpSinkOptions, context: OutputContext): Sink {
  const { host, port, timeoutMs } = options;
  const address = `${host}:${port}`;
  let socket: Socket | undefined;

  const unreachable = (why: string) => new DbusError("STREAM_UNREACHABLE", `${address}: ${why}`);

  /** Runs one step on a socket, ended by an error, its close, the deadline or the stop. */
  function step(target: Socket, begin: (done: () => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = context.clock.after(timeoutMs, () => fail(`no answer in ${timeoutMs} ms`));
      const onError = (error: Error) => fail(error.message);
      const onClose = () => fail("the connection was closed");
      const onAbort = () => fail("stopped");
      function settle() {
        timer.cancel();
        target.off("error", onError);
        target.off("close", onClose);
        context.signal.removeEventListener("abort", onAbort);
      }
      function fail(why: string) {
        settle();
        drop(target);
        reject(unreachable(why));
      }
      target.on("error", onError);
      target.on("close", onClose);
      context.signal.addEventListener("abort", onAbort, { once: true });
      if (context.signal.aborted) return fail("stopped");
      begin(() => {
        settle();
        resolve();
      });
    });
  }

  function drop(target: Socket): void {
    if (socket === target) socket = undefined;
    target.on("error", () => {});
    target.destroy();
  }

  async function connected(): Promise<Socket> {
    if (socket) return socket;
    const fresh = connect({ host, port, noDelay: true });
    await step(fresh, (done) => fresh.once("connect", done));
    // The peer says nothing that is for us, but must not be left with a full window.
    fresh.resume();
    fresh.on("error", () => drop(fresh));
    fresh.on("end", () => drop(fresh));
    fresh.on("close", () => drop(fresh));
    socket = fresh;
    context.reportState(null);
    return fresh;
  }

  return {
    async write(lines) {
      try {
        const target = await connected();
        await step(target, (done) => target.write(lines, (error) => (error ? undefined : done())));
      } catch (error) {
        context.reportState(error instanceof Error ? `reconnecting: ${error.message}` : null);
        throw error;
      }
    },
    room: () => Number.POSITIVE_INFINITY,
    async rotate() {},
    async close() {
      const open = socket;
      socket = undefined;
      if (!open) return;
      open.removeAllListeners();
      open.on("error", () => {});
      await new Promise<void>((resolve) => {
        const timer = context.clock.after(1000, resolve);
        open.end(() => {
          timer.cancel();
          resolve();
        });
      });
      open.destroy();
    },
  };
}
