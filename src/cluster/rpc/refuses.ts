import { createConnection } from "node:net";
import type { Clock } from "#src/clock.ts";

/**
 * Whether nothing listens at `host:port` although its machine answers: a participant listens there
 * from before it joins until it has ended. No answer in time says nothing.
 */
export function refuses(rpc: string, clock: Clock, timeoutMs: number): Promise<boolean> {
  const colon = rpc.lastIndexOf(":");
  const host = rpc.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return new Promise((resolve) => {
    const socket = createConnection({ host, port: Number(rpc.slice(colon + 1)) });
    const timer = clock.after(timeoutMs, () => end(false));
    const end = (refused: boolean): void => {
      timer.cancel();
      socket.destroy();
      resolve(refused);
    };
    socket.once("connect", () => end(false));
    socket.once("error", (error: NodeJS.ErrnoException) => end(error.code === "ECONNREFUSED"));
  });
}
