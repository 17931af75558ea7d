import { describe, expect, test } from "bun:test";
import type { Protocol } from "../fault-proxy.ts";
import { holdsFor } from "../index.ts";
import { type Around, withProxy } from "./ends.ts";

const speaking = (protocol: Protocol, use: (around: Around) => Promise<void>) =>
  withProxy(use, { seed: 1, protocol });

const int16 = (value: number) => Buffer.of(value >> 8, value & 255);
const int32 = (value: number) => Buffer.concat([int16(value >>> 16), int16(value & 0xffff)]);

/** A Kafka frame: its length, and what follows. */
const frame = (...parts: Buffer[]) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([int32(body.length), body]);
};
const request = (apiKey: number, id: number, body = "request") =>
  frame(int16(apiKey), int16(9), int32(id), Buffer.from(body));
const reply = (id: number, body = "reply") => frame(int32(id), Buffer.from(body));

describe("kafka", () => {
  test("the reply to the nth request of a kind is swallowed, the requests are delivered", () =>
    speaking("kafka", async ({ proxy, pair }) => {
      const { client, server } = await pair();
      const one = proxy.add({ type: "swallow_reply", to: { apiKey: 0 }, nth: 2, cut: false });
      const requests = [request(0, 5), request(3, 6), request(0, 7), request(0, 8)];
      client.socket.write(Buffer.concat(requests));
      const all = Buffer.concat(requests);
      expect((await server.receives(all.length)).equals(all)).toBe(true);
      const kept = Buffer.concat([reply(5), reply(6), reply(8)]);
      const answers = [reply(5), reply(6), reply(7, "the reply that nobody sees"), reply(8)];
      server.socket.write(Buffer.concat(answers));
      expect((await client.receives(kept.length)).equals(kept)).toBe(true);
      await holdsFor(() => client.received.length === kept.length, { ms: 20, what: "no more" });
      expect([one.acted, client.state]).toEqual([1, "open"]);
    }));

  test("with a cut the connection is reset in its place, after the replies before it", () =>
    speaking("kafka", async ({ proxy, pair }) => {
      const { client, server } = await pair();
      const one = proxy.add({ type: "swallow_reply", to: { apiKey: 0 } });
      client.socket.write(Buffer.concat([request(3, 1), request(0, 2)]));
      await server.receives(1);
      server.socket.write(Buffer.concat([reply(1), reply(2)]));
      await client.receives(reply(1).length);
      await Promise.all([client.becomes("reset"), server.becomes("reset")]);
      expect(client.received.equals(reply(1))).toBe(true);
      expect(one.acted).toBe(1);
    }));

  test("frames are found however they are cut, and pass unchanged", () =>
    speaking("kafka", async ({ proxy, pair }) => {
      proxy.add({ type: "swallow_reply", to: { apiKey: 22 }, cut: false });
      proxy.add({ type: "slicer", bytes: 1 });
      const { client, server } = await pair();
      const sent = Buffer.concat([
        request(18, 1, ""),
        request(22, 2, "x".repeat(500)),
        request(0, 3),
      ]);
      for (const byte of sent) client.socket.write(Buffer.of(byte));
      expect((await server.receives(sent.length)).equals(sent)).toBe(true);
      for (const byte of Buffer.concat([reply(1, ""), reply(2), reply(3)])) {
        server.socket.write(Buffer.of(byte));
      }
      const kept = Buffer.concat([reply(1, ""), reply(3)]);
      expect((await client.receives(kept.length)).equals(kept)).toBe(true);
    }));

  test("matches are counted over all connections, and it happens once", () =>
    speaking("kafka", async ({ proxy, pair }) => {
      const one = proxy.add({ type: "swallow_reply", to: { apiKey: 0 }, nth: 2 });
      for (const [n, ends] of ["open", "reset", "open"].entries()) {
        const { client, server } = await pair();
        client.socket.write(request(0, n));
        await server.receives(1);
        server.socket.write(reply(n));
        if (ends === "reset") await client.becomes("reset");
        else await client.receives(reply(n).length);
      }
      expect(one.acted).toBe(1);
    }));

  test("the broker's address in replies that name brokers becomes the proxy's", () =>
    speaking("kafka", async ({ proxy, pair, listener }) => {
      const { client, server } = await pair();
      const broker = (port: number) => Buffer.concat([Buffer.from("127.0.0.1"), int32(port)]);
      const both = (port: number) => Buffer.concat([broker(port), broker(7), broker(port)]);
      client.socket.write(Buffer.concat([request(3, 1), request(10, 2), request(0, 3)]));
      await server.receives(1);
      const answer = (port: number, other: number) =>
        Buffer.concat([1, 2, 3].map((id) => frame(int32(id), both(id < 3 ? port : other))));
      for (const byte of answer(listener.port, listener.port)) {
        server.socket.write(Buffer.of(byte));
      }
      const wanted = answer(proxy.port, listener.port);
      expect((await client.receives(wanted.length)).equals(wanted)).toBe(true);
    }));

  test("a proxy that was not told the protocol refuses instead of never doing it", () =>
    withProxy(async ({ proxy }) => {
      const add = () => proxy.add({ type: "swallow_reply", to: { apiKey: 0 } });
      expect(add).toThrow('protocol "kafka"');
    }));
});

/** A MySQL packet: its length in three bytes, its number, its payload. */
const packet = (number: number, payload: string | Buffer) => {
  const { length } = Buffer.from(payload);
  const head = Buffer.of(length & 255, (length >> 8) & 255, length >> 16, number);
  return Buffer.concat([head, Buffer.from(payload)]);
};
const query = (sql: string) => packet(0, `\u0003${sql}`);

describe("mysql", () => {
  test("the reply to the statement that is looked for is swallowed, up to the next command", () =>
    speaking("mysql", async ({ proxy, pair }) => {
      const { client, server } = await pair();
      const to = { command: 3, text: /^COMMIT/i };
      const one = proxy.add({ type: "swallow_reply", to, cut: false });
      const talk: [sent: Buffer, answer: Buffer, seen: boolean][] = [
        // The client's part of the handshake is numbered 1, whatever it begins with.
        [packet(1, "\u0003COMMIT"), packet(2, "ok 1"), true],
        [query("SELECT 'COMMIT'"), packet(1, "ok 2"), true],
        [query("commit"), packet(1, "ok 3"), false],
        [query("COMMIT"), packet(1, "ok 4"), true],
      ];
      let sent = 0;
      let seen = 0;
      for (const [command, answer, passes] of talk) {
        client.socket.write(command);
        sent += command.length;
        await server.receives(sent);
        server.socket.write(answer);
        if (passes) seen += answer.length;
        if (passes) await client.receives(seen);
        else await holdsFor(() => client.received.length === seen, { ms: 20, what: "silence" });
      }
      expect(client.received.toString()).not.toContain("ok 3");
      expect(one.acted).toBe(1);
    }));

  test("with a cut the connection is reset in its place", () =>
    speaking("mysql", async ({ proxy, pair }) => {
      const { client, server } = await pair();
      proxy.add({ type: "swallow_reply", to: { command: 0x1e } });
      const dump = packet(0, Buffer.concat([Buffer.of(0x1e), Buffer.alloc(600)]));
      for (const byte of dump) client.socket.write(Buffer.of(byte));
      expect((await server.receives(dump.length)).equals(dump)).toBe(true);
      server.socket.write(packet(1, "event"));
      await Promise.all([client.becomes("reset"), server.becomes("reset")]);
      expect(client.received.length).toBe(0);
    }));

  test("what continues a command of 16 MB is not taken for a command", () =>
    speaking("mysql", async ({ proxy, pair }) => {
      const { client, server } = await pair();
      const one = proxy.add({ type: "swallow_reply", to: { command: 1 } });
      const long = packet(0, Buffer.concat([Buffer.of(3), Buffer.alloc(0xfffffe)]));
      // The number wraps around after 256 packets, so 0 may stand here.
      const rest = packet(0, Buffer.of(1));
      client.socket.write(Buffer.concat([long, rest]));
      await server.receives(long.length + rest.length);
      server.socket.write(packet(1, "ok"));
      await client.receives(6);
      expect(one.acted).toBe(0);
    }));
});

describe("zookeeper", () => {
  const hello = () => frame(Buffer.from("the handshake"));
  const call = (opcode: number, id: number) => frame(int32(id), int32(opcode), Buffer.from("/a"));
  const answer = (id: number) => frame(int32(id), Buffer.from("zxid and error"));

  test("the reply to a request is swallowed, the handshake and others pass", () =>
    speaking("zookeeper", async ({ proxy, pair }) => {
      const { client, server } = await pair();
      const one = proxy.add({ type: "swallow_reply", to: { zkOpcode: 15 }, cut: false });
      const asked = Buffer.concat([hello(), call(4, 1), call(15, 2), call(15, 3)]);
      client.socket.write(asked);
      expect((await server.receives(asked.length)).equals(asked)).toBe(true);
      const kept = Buffer.concat([hello(), answer(1), answer(3)]);
      server.socket.write(Buffer.concat([hello(), answer(1), answer(2), answer(3)]));
      expect((await client.receives(kept.length)).equals(kept)).toBe(true);
      expect([one.acted, client.state]).toEqual([1, "open"]);
    }));

  test("the event of a watch is swallowed as what nobody asked for", () =>
    speaking("zookeeper", async ({ proxy, pair }) => {
      const { client, server } = await pair();
      const one = proxy.add({ type: "swallow_reply", to: { zkOpcode: 0 } });
      client.socket.write(hello());
      await server.receives(hello().length);
      server.socket.write(Buffer.concat([hello(), answer(-1)]));
      await client.becomes("reset");
      expect(client.received.equals(hello())).toBe(true);
      expect(one.acted).toBe(1);
    }));
});
