import { describe, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import { connectMysql } from "#src/clients/mysql/connection.ts";
import { systemClock } from "#src/clock.ts";
import { toDbusError } from "#src/errors.ts";
import { targetAt } from "../../support/mysql-client.ts";
import { waitFor } from "../../support/wait-for.ts";

function packet(
  sequence: number,
  ...parts: readonly (Buffer | string | readonly number[])[]
): Buffer {
  const body = Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))),
  );
  return Buffer.concat([Buffer.from([body.length & 255, body.length >> 8, 0, sequence]), body]);
}

/** Protocol 10, a scramble, no TLS, mysql_native_password. */
const greeting = packet(
  0,
  ...[[10], "9.9.9\0", [1, 0, 0, 0], "abcdefgh\0", [0xff, 0xf7], [45], [2, 0], [0x0f, 0x80]],
  ...[[21], Buffer.alloc(10), "ijklmnopqrst\0", "mysql_native_password\0"],
);
const ok = (sequence: number) => packet(sequence, [0, 0, 0, 2, 0, 0, 0]);

/** A server that does what `speak` says; resolves with all that it heard. */
async function serve(speak: (socket: Socket, heard: (bytes: Buffer) => void) => void) {
  const heard: Buffer[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => heard.push(bytes));
    speak(socket, (bytes) => heard.push(bytes));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return { port, heard, close: () => server.close() };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "nothing thrown",
    (error) => toDbusError(error).code,
  );

describe("a hostile or broken server", () => {
  test("gets none of our files by LOCAL INFILE (S18)", async () => {
    const secret = import.meta.path;
    const server = await serve((socket) => {
      socket.write(greeting);
      let turn = 0;
      socket.on("data", () => {
        turn++;
        if (turn === 1) socket.write(ok(2));
        else if (turn === 2) socket.write(packet(1, [0xfb], secret));
        else socket.write(ok(3));
      });
    });
    const client = await connectMysql(
      targetAt({ host: "127.0.0.1", port: server.port }),
      systemClock,
    );
    expect(await codeOf(client.query("SELECT 1"))).not.toBe("nothing thrown");
    const heard = Buffer.concat(server.heard);
    expect(heard.includes("gets none of our files")).toBe(false);
    // CLIENT_LOCAL_FILES is not even offered: it is bit 7 of the capabilities in our answer.
    expect((heard[4] ?? 0xff) & 0x80).toBe(0);
    client.close();
    server.close();
  });

  test("that takes no more connections is tried again", async () => {
    const server = await serve((socket) => {
      socket.end(packet(0, [0xff, 0x10, 0x04], "Too many connections"));
    });
    const target = targetAt({ host: "127.0.0.1", port: server.port });
    expect(await codeOf(connectMysql(target, systemClock))).toBe("MYSQL_BUSY");
    server.close();
  });

  test("that accepts and says nothing is left after the timeout", async () => {
    const server = await serve(() => {});
    const target = targetAt({ host: "127.0.0.1", port: server.port }, { connectTimeoutMs: 150 });
    expect(await codeOf(connectMysql(target, systemClock))).toBe("MYSQL_UNREACHABLE");
    server.close();
  });

  test("that never answers a statement is left after the timeout", async () => {
    const server = await serve((socket) => {
      socket.write(greeting);
      socket.once("data", () => socket.write(ok(2)));
    });
    const target = targetAt({ host: "127.0.0.1", port: server.port }, { queryTimeoutMs: 150 });
    const client = await connectMysql(target, systemClock);
    expect(await codeOf(client.query("SELECT 1"))).toBe("MYSQL_SILENT");
    expect(client.open).toBe(false);
    server.close();
  });

  test("that answers with half a result is told at once, and left", async () => {
    let closed = false;
    const server = await serve((socket) => {
      socket.write(greeting);
      socket.on("close", () => {
        closed = true;
      });
      let turn = 0;
      socket.on("data", () => {
        turn++;
        // One column, whose definition is followed by no EOF.
        const column = [
          [3],
          "def",
          [0, 0, 0, 1],
          "a",
          [0, 12, 45, 0, 0, 1, 0, 0, 253, 0, 0, 0, 0, 0],
        ];
        const answer = [packet(1, [1]), packet(2, ...(column as (string | number[])[])), ok(3)];
        socket.write(turn === 1 ? ok(2) : Buffer.concat(answer));
      });
    });
    const target = targetAt({ host: "127.0.0.1", port: server.port }, { queryTimeoutMs: 60_000 });
    const client = await connectMysql(target, systemClock);
    expect(await codeOf(client.query("SELECT 1"))).toBe("MYSQL_PROTOCOL");
    expect(client.open).toBe(false);
    await waitFor(() => closed, { what: "the connection to be closed" });
    server.close();
  });

  test("that sends a cut error which nobody asked for is left, and nothing is uncaught", async () => {
    const server = await serve((socket) => {
      socket.write(greeting);
      socket.once("data", () => socket.write(Buffer.concat([ok(2), packet(0, [0xff])])));
    });
    const client = await connectMysql(
      targetAt({ host: "127.0.0.1", port: server.port }),
      systemClock,
    );
    await waitFor(() => !client.open, { what: "the connection to be left" });
    expect(await codeOf(client.query("SELECT 1"))).toBe("MYSQL_UNREACHABLE");
    server.close();
  });

  test("that offers no TLS hears no password from who wants it", async () => {
    const server = await serve((socket) => socket.write(greeting));
    const target = targetAt({ host: "127.0.0.1", port: server.port }, { tls: "require" });
    expect(await codeOf(connectMysql(target, systemClock))).toBe("MYSQL_TLS");
    expect(Buffer.concat(server.heard).length).toBe(0);
    server.close();
  });

  test("that speaks something else is told apart or left", async () => {
    const server = await serve((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const target = targetAt({ host: "127.0.0.1", port: server.port }, { connectTimeoutMs: 300 });
    expect(await codeOf(connectMysql(target, systemClock))).toMatch(
      /^MYSQL_(UNREACHABLE|PROTOCOL)$/,
    );
    server.close();
  });
});
