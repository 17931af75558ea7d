import { createServer } from "node:net";

const handedOut = new Set<number>();

/**
 * A free port on loopback, for servers that cannot be asked for port 0. It lies below the range
 * that the kernel gives to outgoing connections, so that a server which is stopped for a while
 * finds it free again; one process never hands out the same port twice.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (handedOut.has(port) || !(await bindable(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error("found no free port on 127.0.0.1 between 12000 and 32000");
}

function bindable(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
