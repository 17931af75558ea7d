const END = Buffer.from("\r\n\r\n");

/** Finds where the head of a request ends, in pieces of any size. */
export type HeadScanner = {
  /** Whether the head that is being read has its end in this piece or had it before. */
  complete(piece: Buffer): boolean;
  /** The next piece begins a head anew. */
  reset(): void;
};

export function createHeadScanner(): HeadScanner {
  /** The last bytes of what came, at most three: the end may begin in them. */
  let tail = Buffer.alloc(0);
  let done = false;
  return {
    complete(piece) {
      if (done) return true;
      const seam = Buffer.concat([tail, piece.subarray(0, END.length - 1)]);
      done = piece.includes(END) || seam.includes(END);
      const last =
        piece.length >= 3 ? piece.subarray(-3) : Buffer.concat([tail, piece]).subarray(-3);
      tail = Buffer.from(last);
      return done;
    },
    reset() {
      done = false;
      tail = Buffer.alloc(0);
    },
  };
}
