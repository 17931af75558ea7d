import type { Random } from "../random.ts";
import type { Toxic } from "./toxic.ts";

/** A part of a stream on its way through the proxy. Times are those of `performance.now()`. */
export type Piece = {
  readonly data: Buffer;
  /** Whether the stream ends here, and how: closed properly, or lost. */
  readonly end: "" | "fin" | "reset";
  readonly arrivedAt: number;
};

export type Step = {
  readonly piece: Piece;
  readonly notBefore: number;
  /** Lets the event loop turn first, so that this becomes a segment of its own. */
  readonly apart?: boolean;
  /** What becomes of the connection after the piece. */
  readonly then?: "reset" | "close";
};

/** What one toxic does to one direction of one connection. */
export type Stage = {
  /** While true nothing gets through. */
  readonly holds?: boolean;
  /** Steps that a piece becomes; without it the piece goes on as it is. */
  pass?(piece: Piece, now: number): readonly Step[];
};

const none = Buffer.alloc(0);

/**
 * `acted` is called for each connection that ends, byte that is changed and cut of a segment, and says
 * how often it was for this toxic, whichever the connection.
 */
export function stageOf(toxic: Toxic, random: Random, acted: () => number): Stage {
  switch (toxic.type) {
    case "latency":
      return delay(() => toxic.ms);
    case "jitter":
      return delay(() => random.next() * toxic.ms);
    case "slow_close":
      return delay((piece) => (piece.end === "fin" ? toxic.ms : 0));
    case "rate":
      return rate(toxic.bytesPerSecond);
    case "reset":
      return limit(toxic.afterBytes, "reset", acted);
    case "truncate":
      return limit(toxic.afterBytes, "close", acted);
    case "slicer":
      return slicer(toxic.bytes, acted);
    case "corrupt_byte":
      return corrupt(toxic, random, acted);
    case "corrupt_text":
      return corruptText(Buffer.from(toxic.text), acted);
    case "blackhole":
    case "timeout":
      return { holds: true };
    case "half_open":
    case "refuse":
    case "swallow_reply":
      return {};
  }
}

function delay(msOf: (piece: Piece) => number): Stage {
  return {
    pass(piece) {
      // What comes next takes this delay for the way that the piece has had, so delays add up.
      const at = piece.arrivedAt + msOf(piece);
      return [{ piece: { ...piece, arrivedAt: at }, notBefore: at }];
    },
  };
}

function rate(bytesPerSecond: number): Stage {
  let freeAt = 0;
  return {
    pass(piece, now) {
      const bytes = Math.max(1, Math.floor(bytesPerSecond / 50));
      freeAt = Math.max(freeAt, now);
      return cutUp(piece, bytes).map((part) => {
        freeAt += (part.piece.data.length / bytesPerSecond) * 1_000;
        return { ...part, notBefore: freeAt };
      });
    },
  };
}

function slicer(bytes: number, acted: () => void): Stage {
  return {
    pass: (piece) =>
      cutUp(piece, bytes).map((part, n) => {
        if (n > 0) acted();
        return { ...part, apart: true };
      }),
  };
}

function limit(bytes: number, then: "reset" | "close", acted: () => void): Stage {
  let left = bytes;
  return {
    pass(piece) {
      if (piece.end !== "" || piece.data.length < left) {
        left -= piece.data.length;
        return [{ piece, notBefore: 0 }];
      }
      acted();
      return [{ piece: { ...piece, data: piece.data.subarray(0, left) }, notBefore: 0, then }];
    },
  };
}

function corrupt(
  { afterBytes, everyBytes }: Extract<Toxic, { type: "corrupt_byte" }>,
  random: Random,
  acted: () => void,
): Stage {
  let left = afterBytes;
  return {
    pass(piece) {
      let data = piece.data;
      while (left < data.length) {
        if (data === piece.data) data = Buffer.from(data);
        acted();
        // Any bits but none, so that the byte really changes.
        data[left] = data[left]! ^ random.int(1, 255);
        left += everyBytes === undefined ? Number.POSITIVE_INFINITY : random.int(1, 2 * everyBytes);
      }
      left -= data.length;
      return [{ piece: { ...piece, data }, notBefore: 0 }];
    },
  };
}

function corruptText(text: Buffer, acted: () => number): Stage {
  let over = false;
  return {
    pass(piece) {
      const at = over ? -1 : piece.data.indexOf(text);
      if (at < 0) return [{ piece, notBefore: 0 }];
      over = true;
      if (acted() > 1) return [{ piece, notBefore: 0 }];
      const data = Buffer.from(piece.data);
      data[at + (text.length >> 1)]! ^= 1;
      return [{ piece: { ...piece, data }, notBefore: 0 }];
    },
  };
}

function cutUp(piece: Piece, bytes: number): Step[] {
  if (piece.data.length <= bytes) return [{ piece, notBefore: 0 }];
  const steps: Step[] = [];
  for (let at = 0; at < piece.data.length; at += bytes) {
    const data = piece.data.subarray(at, at + bytes);
    steps.push({ piece: { ...piece, data }, notBefore: 0 });
  }
  return steps;
}

export function endOf(end: "fin" | "reset"): Piece {
  return { data: none, end, arrivedAt: performance.now() };
}
