import { connect, type Socket } from "node:net";

export type RawAnswer = {
  /** Everything that came back until the server closed, or we gave up. */
  readonly text: string;
  /** Of the answers in it, in order. */
  readonly statuses: readonly number[];
  readonly closed: boolean;
};

const waitMs = 400;

/**
 * Sends bytes as they are, ends our side, and reads until the server closes, or until `enough`
 * says that what came will do.
 */
export function sendRaw(
  port: number,
  bytes: Uint8Array,
  enough: (text: string) => boolean,
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let text = "";
    const socket: Socket = connect({ port, host: "127.0.0.1" });
    const timer = setTimeout(() => done(false), waitMs);
    const done = (closed: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3})\b/gm)].map(([, code]) =>
        Number(code),
      );
      resolve({ text, statuses, closed });
    };
    socket.on("error", () => {});
    socket.on("close", () => done(true));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (enough(text)) done(false);
    });
    socket.on("connect", () => socket.end(bytes));
  });
}

/** Whether a whole answer with a length is there. */
export function hasAnswer(text: string): boolean {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return false;
  const length = /^content-length: *(\d+)/im.exec(text.slice(0, head))?.[1];
  return length !== undefined && text.length >= head + 4 + Number(length);
}
