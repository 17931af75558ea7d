import { describe, expect, test } from "bun:test";
import { Duplex } from "node:stream";
import type { Message } from "#src/clients/mysql/skipped-message.ts";
import { createWire } from "#src/clients/mysql/wire.ts";
import { toDbusError } from "#src/errors.ts";
import { createManualClock } from "../../support/manual-clock.ts";
import { waitFor } from "../../support/wait-for.ts";

/** A socket whose other end is the test. */
function fakeSocket() {
  const written: Buffer[] = [];
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      written.push(chunk);
      done();
    },
  });
  return { socket, written };
}

function packet(sequence: number, text: string): Buffer {
  const body = Buffer.from(text);
  return Buffer.concat([Buffer.from([body.length, 0, 0, sequence]), body]);
}

function wireOn(socket: Duplex, bufferBytesMax = 1_000) {
  const clock = createManualClock();
  const options = { where: "here:1", clock, messageBytesMax: 100, bufferBytesMax, silentMs: 1_000 };
  return { clock, wire: createWire(socket, options) };
}

const texts = (messages: readonly Message[]) =>
  messages.map((each) => (each instanceof Uint8Array ? Buffer.from(each).toString() : each.length));
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "nothing thrown",
    (error) => toDbusError(error).code,
  );

describe("wire", () => {
  test("frames commands and gives what has arrived as one lot", async () => {
    const { socket, written } = fakeSocket();
    const { wire } = wireOn(socket);
    wire.send(Buffer.from([0x15, 1]));
    expect(Buffer.concat(written)).toEqual(Buffer.from([2, 0, 0, 0, 0x15, 1]));
    socket.push(Buffer.concat([packet(1, "a"), packet(2, "b"), packet(3, "c").subarray(0, 4)]));
    expect(texts(await wire.read())).toEqual(["a", "b"]);
    const next = wire.read();
    socket.push(packet(3, "c").subarray(4));
    expect(texts(await next)).toEqual(["c"]);
    expect(wire.idle()).toBe(true);
    wire.send(Buffer.from([0x12]));
    socket.push(packet(1, "again from one"));
    expect(texts(await wire.read())).toEqual(["again from one"]);
    wire.close();
  });

  test("does not read on while more waits than it may hold", async () => {
    const { socket } = fakeSocket();
    const { wire } = wireOn(socket, 50);
    for (let n = 1; n <= 40; n++) socket.push(packet(n, "0123456789"));
    await waitFor(() => socket.isPaused(), { what: "the pause" });
    expect(socket.readableLength).toBeGreaterThan(300);
    let count = 0;
    while (count < 40) count += (await wire.read()).length;
    expect(count).toBe(40);
    wire.close();
  });

  test("takes nothing more in while a message is worked on that is larger than it may hold", async () => {
    const { socket } = fakeSocket();
    const { wire } = wireOn(socket, 20);
    socket.push(packet(1, "x".repeat(60)));
    socket.push(packet(2, "y".repeat(60)));
    await waitFor(() => socket.isPaused(), { what: "the pause" });
    expect(texts(await wire.read())).toEqual(["x".repeat(60)]);
    expect([socket.isPaused(), wire.idle()]).toEqual([true, false]);
    expect(texts(await wire.read())).toEqual(["y".repeat(60)]);
    wire.close();
  });

  test("says what came before it says why it ended", async () => {
    const { socket } = fakeSocket();
    const { wire } = wireOn(socket);
    socket.push(packet(1, "last"));
    socket.push(null);
    await waitFor(() => socket.destroyed, { what: "the end" });
    expect(texts(await wire.read())).toEqual(["last"]);
    expect(await codeOf(wire.read())).toBe("MYSQL_UNREACHABLE");
    expect(await codeOf(wire.read())).toBe("MYSQL_UNREACHABLE");
  });

  test("takes a peer for dead that is silent, but not while it is not listened to", async () => {
    const silent = fakeSocket();
    const first = wireOn(silent.socket);
    const reading = codeOf(first.wire.read());
    first.clock.advance(999);
    expect(silent.socket.destroyed).toBe(false);
    first.clock.advance(1);
    expect(await reading).toBe("MYSQL_SILENT");
    expect(silent.socket.destroyed).toBe(true);
    const blocked = fakeSocket();
    const second = wireOn(blocked.socket, 5);
    blocked.socket.push(packet(1, "enough"));
    await waitFor(() => blocked.socket.isPaused(), { what: "the pause" });
    second.clock.advance(60_000);
    expect(texts(await second.wire.read())).toEqual(["enough"]);
    second.clock.advance(999);
    expect(blocked.socket.destroyed).toBe(false);
    second.wire.close();
  });

  test("a packet out of turn or above the limit ends it with its code", async () => {
    const one = fakeSocket();
    const outOfTurn = wireOn(one.socket);
    one.socket.push(packet(7, "x"));
    expect(await codeOf(outOfTurn.wire.read())).toBe("MYSQL_PROTOCOL");
    const two = fakeSocket();
    const tooLong = wireOn(two.socket);
    two.socket.push(Buffer.from([101, 0, 0, 1]));
    expect(await codeOf(tooLong.wire.read())).toBe("MYSQL_EVENT_TOO_LARGE");
  });

  test("a closed wire leaves no timer behind", () => {
    const { socket } = fakeSocket();
    const { wire, clock } = wireOn(socket);
    wire.close();
    wire.close();
    expect(clock.pending).toBe(0);
  });
});
