import type { Socket } from "bun";

/** What one side of a pipe still has to write, and where what it reads goes. */
export type PipeEnd = {
  peer: Socket<PipeEnd> | undefined;
  readonly pending: Rest[];
  /** What follows once everything is written: the other side has ended, or only says no more. */
  afterwards: "end" | "shutdown" | undefined;
};

/** A piece, and how much of it is written. */
type Rest = { readonly piece: Buffer; written: number };

export function pipeEnd(): PipeEnd {
  return { peer: undefined, pending: [], afterwards: undefined };
}

/**
 * Writes what can be written; the rest waits for `drained`, and `from` is not read meanwhile.
 * The piece belongs to the pipe from here on, and to nobody once it is written.
 */
export function forward(from: Socket<PipeEnd>, to: Socket<PipeEnd>, piece: Buffer): void {
  const written = to.data.pending.length > 0 ? 0 : Math.max(0, to.write(piece));
  if (written === piece.length) {
    free(piece);
    return;
  }
  keep(to.data, piece, written);
  from.pause();
}

/** The rest of a piece is written when `drained` is called next. */
export function keep({ pending }: PipeEnd, piece: Buffer, written = 0): void {
  pending.push({ piece, written });
}

/** There is room again. */
export function drained(socket: Socket<PipeEnd>): void {
  const { pending, peer, afterwards } = socket.data;
  for (let rest = pending[0]; rest !== undefined; rest = pending[0]) {
    rest.written += Math.max(0, socket.write(rest.piece.subarray(rest.written)));
    if (rest.written < rest.piece.length) return;
    free(rest.piece);
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

/** Nobody will take what is still to be written. */
export function discard({ pending }: PipeEnd): void {
  for (const { piece } of pending.splice(0)) free(piece);
}

/** Below this, to give memory back costs more than it brings. */
const freedBytesMin = 4096;

/**
 * Gives the memory of a piece back now. Each read of the runtime brings memory of its own, up to
 * 512 KiB, and the collector finds it only after many more. What is a view of something larger may
 * not be ours, and is left to it.
 */
function free({ buffer, byteLength }: Buffer): void {
  if (byteLength < freedBytesMin || byteLength !== buffer.byteLength) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
