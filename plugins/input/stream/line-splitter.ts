/** A line without its line end, or a part of one that is longer than the limit. */
export type RawLine = {
  /** May be a view of the chunk: copy what outlives it. */
  readonly bytes: Buffer;
  /** Bytes of the source that this stands for, line end included. */
  readonly size: number;
  /** 0 for a whole line, 1 and up for the parts of one that is too long. */
  readonly part: number;
  /** Whether the line ends here. */
  readonly last: boolean;
};

export type LineSplitter = {
  /** The lines that end in this chunk, and parts of one that is too long to be kept. */
  push(chunk: Buffer): RawLine[];
  /** What the source ended with; null when that was the end of a line. */
  end(): RawLine | null;
};

const LF = 10;
const CR = 13;

/**
 * Cuts a stream of bytes into lines that end with LF or CR LF, in linear time however small the
 * chunks are. It keeps no more than `bytesMax` bytes and the chunk at hand: a longer line is handed
 * out in parts, so that nothing of it is lost.
 */
export function createLineSplitter(bytesMax: number): LineSplitter {
  /** The beginning of a line whose end has not come yet. */
  let held = Buffer.alloc(0);
  let heldBytes = 0;
  let part = 0;

  function hold(bytes: Buffer): void {
    const needed = heldBytes + bytes.length;
    if (needed > held.length) {
      const larger = Buffer.alloc(Math.max(needed, held.length * 2, 256));
      held.copy(larger, 0, 0, heldBytes);
      held = larger;
    }
    bytes.copy(held, heldBytes);
    heldBytes = needed;
  }

  /** Takes parts off the front of `bytes` while it is longer than `max`; answers the rest. */
  function cutParts(bytes: Buffer, max: number, lines: RawLine[]): Buffer {
    let from = 0;
    while (bytes.length - from > max) {
      const cut = bytes.subarray(from, from + bytesMax);
      lines.push({ bytes: cut, size: bytesMax, part: ++part, last: false });
      from += bytesMax;
    }
    return bytes.subarray(from);
  }

  /** `bytes` is a line up to its line end. */
  function finish(bytes: Buffer, lines: RawLine[]): void {
    const ended = bytes.at(-1) === CR ? 1 : 0;
    const rest = cutParts(bytes, bytesMax + ended, lines);
    const line = rest.subarray(0, rest.length - ended);
    lines.push({ bytes: line, size: rest.length + 1, part: part && part + 1, last: true });
    part = 0;
  }

  function takeHeld(): Buffer {
    const bytes = Buffer.from(held.subarray(0, heldBytes));
    heldBytes = 0;
    return bytes;
  }

  return {
    push(chunk) {
      const lines: RawLine[] = [];
      let from = 0;
      for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, from)) {
        const line = chunk.subarray(from, end);
        from = end + 1;
        if (heldBytes === 0) finish(line, lines);
        else {
          hold(line);
          finish(takeHeld(), lines);
        }
      }
      hold(chunk.subarray(from));
      // The CR before a line end is no part of the line, so one byte more may wait for its LF.
      if (heldBytes > bytesMax + 1) {
        const rest = cutParts(takeHeld(), bytesMax + 1, lines);
        hold(rest);
      }
      return lines;
    },
    end() {
      if (heldBytes === 0 && part === 0) return null;
      const bytes = takeHeld();
      const line = { bytes, size: bytes.length, part: part && part + 1, last: true };
      part = 0;
      return line;
    },
  };
}
