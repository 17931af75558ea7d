import { expect, test } from "bun:test";
import type { Socket } from "bun";
import { discard, drained, forward, keep, type PipeEnd, pipeEnd } from "#src/http/pipe.ts";
import { waitFor } from "../support/wait-for.ts";

/** A socket that takes so many bytes of each write as it is told to. */
function slowSocket(takes: number[]) {
  const written: Buffer[] = [];
  let paused = false;
  const socket = {
    data: pipeEnd(),
    write(piece: Buffer) {
      const count = Math.min(piece.length, takes.shift() ?? 0);
      written.push(Buffer.from(piece.subarray(0, count)));
      return count;
    },
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
    },
  };
  return {
    socket: socket as unknown as Socket<PipeEnd>,
    text: () => Buffer.concat(written).toString(),
    paused: () => paused,
  };
}

/** Large enough to have memory of its own. */
const size = 10_000;
const pieceOf = (letter: string): Buffer => Buffer.alloc(size, letter);
const gone = ({ buffer }: Buffer): boolean => buffer.byteLength === 0;

test("the memory of a piece is given back when it is written, without waiting for the collector", () => {
  const [from, to] = [slowSocket([]), slowSocket([size, 100, 200, size, size])];
  to.socket.data.peer = from.socket;
  const [a, b, c] = [pieceOf("a"), pieceOf("b"), pieceOf("c")];
  forward(from.socket, to.socket, a);
  expect([gone(a), from.paused()]).toEqual([true, false]);
  forward(from.socket, to.socket, b);
  forward(from.socket, to.socket, c);
  expect([gone(b), gone(c), from.paused()]).toEqual([false, false, true]);
  drained(to.socket);
  expect([gone(b), gone(c), from.paused()]).toEqual([false, false, true]);
  drained(to.socket);
  expect([gone(b), gone(c), from.paused()]).toEqual([true, true, false]);
  expect(to.text()).toBe("a".repeat(size) + "b".repeat(size) + "c".repeat(size));
});

test("what nobody takes any more is given back too", () => {
  const end = pipeEnd();
  const piece = pieceOf("a");
  keep(end, piece);
  discard(end);
  expect([gone(piece), end.pending.length]).toEqual([true, 0]);
});

test("a piece of something larger is left alone", () => {
  const whole = pieceOf("a");
  const to = slowSocket([size]);
  forward(slowSocket([]).socket, to.socket, whole.subarray(1));
  expect([gone(whole), to.text().length]).toEqual([false, size - 1]);
});

test("each read of the runtime has memory of its own, which is what the pipe relies on", async () => {
  const pieces: Buffer[] = [];
  const letters = new Map<Buffer, number>();
  const listener = Bun.listen({
    ...{ hostname: "127.0.0.1", port: 0 },
    socket: {
      data(_, piece) {
        pieces.push(piece);
        letters.set(piece, piece[0] as number);
      },
    },
  });
  const client = await Bun.connect({
    ...{ hostname: "127.0.0.1", port: listener.port },
    socket: { data() {} },
  });
  const bytes = () => pieces.reduce((sum, { length }) => sum + length, 0);
  for (let n = 1; n <= 20; n++) {
    client.write(Buffer.alloc(size, n));
    await waitFor(() => bytes() === n * size, { what: `piece ${n}` });
  }
  client.end();
  listener.stop(true);
  expect(new Set(pieces.map(({ buffer }) => buffer)).size).toBe(pieces.length);
  for (const piece of pieces) {
    expect(piece.buffer.byteLength).toBe(piece.length);
    expect(piece[0]).toBe(letters.get(piece) as number);
  }
});
