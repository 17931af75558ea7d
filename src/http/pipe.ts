import type { Socket } from "bun";

/** What one side of a pipe still has to write, and where what it reads goes. */
export type PipeEnd = {
  peer: Socket<PipeEnd> | undefined;
  pending: Buffer[];
  /** What follows once everything is written: the other side has ended, or only says no more. */
  afterwards: "end" | "shutdown" | undefined;
};

export function pipeEnd(): PipeEnd {
  return { peer: undefined, pending: [], afterwards: undefined };
}

/** Writes what can be written; the rest waits for `drained`, and `from` is not read meanwhile. */
export function forward(from: Socket<PipeEnd>, to: Socket<PipeEnd>, piece: Buffer): void {
  const { pending } = to.data;
  const written = pending.length > 0 ? 0 : Math.max(0, to.write(piece));
  if (written === piece.length) return;
  // The runtime uses the memory of a piece again when its handler returns.
  pending.push(Buffer.from(piece.subarray(written)));
  from.pause();
}

/** There is room again. */
export function drained(socket: Socket<PipeEnd>): void {
  const { pending, peer, afterwards } = socket.data;
  for (let piece = pending[0]; piece !== undefined; piece = pending[0]) {
    const written = Math.max(0, socket.write(piece));
    if (written < piece.length) {
      pending[0] = piece.subarray(written);
      return;
    }
    pending.shift();
  }
  if (afterwards) socket[afterwards]();
  else peer?.resume();
}

/** Ends a socket, or our half of it, after what is still to be written. */
export function finish(socket: Socket<PipeEnd> | undefined, how: "end" | "shutdown"): void {
  if (socket === undefined) return;
  socket.data.afterwards = how;
  if (socket.data.pending.length === 0) socket[how]();
}
