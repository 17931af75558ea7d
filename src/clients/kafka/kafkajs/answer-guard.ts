import type Connection from "kafkajs/src/network/connection";
import Decoder from "kafkajs/src/protocol/decoder";
import { createFrameCheck } from "../answer-frames.ts";

/*
 * kafkajs believes every length that a broker tells: one that is negative makes it read the same
 * bytes for ever, a short answer is an error that nobody catches, and a count of two thousand
 * millions is allocated. So the frames are checked before it sees them, and its decoder is given
 * readers that know where their bytes end.
 */

/** Ends the connection when what comes from the broker is no answer. */
export function guardAnswers(connection: Connection): void {
  guardDecoder();
  const check = createFrameCheck();
  const take = connection.processData.bind(connection);
  connection.processData = (chunk) => {
    try {
      check(chunk);
      take(chunk);
    } catch (error) {
      connection.socket?.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  };
}

let guarded = false;

/** Once for the process: every answer is read through the same class. */
function guardDecoder(): void {
  if (guarded) return;
  guarded = true;
  const { prototype } = Decoder;
  const readString = prototype.readString;
  prototype.readString = function () {
    checkLength(this, this.buffer.readInt16BE(this.offset), 2);
    return readString.call(this);
  };
  const readBytes = prototype.readBytes;
  prototype.readBytes = function (length) {
    if (length === undefined) checkLength(this, this.buffer.readInt32BE(this.offset), 4);
    else checkLength(this, length, 0);
    return readBytes.call(this, length);
  };
  // Each element takes a byte at least, so that a count above the bytes is none.
  for (const name of ["readArray", "readArrayAsync"] as const) {
    const read: (this: Decoder, reader: Reader) => unknown = prototype[name];
    Object.defineProperty(prototype, name, {
      value(this: Decoder, reader: Reader) {
        checkLength(this, this.buffer.readInt32BE(this.offset), 4);
        return read.call(this, reader);
      },
    });
  }
}

type Reader = (decoder: Decoder) => never;

/** -1 stands for null. */
function checkLength({ buffer, offset }: Decoder, length: number, headBytes: number): void {
  if (length >= -1 && offset + headBytes + length <= buffer.length) return;
  throw new RangeError(`an answer of ${buffer.length} bytes holds a length of ${length}`);
}
