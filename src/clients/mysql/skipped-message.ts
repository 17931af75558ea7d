/** What is kept of a message that is too large to be kept. */
export type SkippedMessage = {
  /** Its first bytes. */
  readonly head: Buffer;
  readonly length: number;
  /** The CRC32 of all of it but its first byte, which is the protocol's. */
  readonly crc: number;
};

export type Message = Uint8Array | SkippedMessage;

/** Takes the bytes of a message as they come and lets go of them. */
export type MessageSkipper = {
  readonly head: Buffer;
  append(bytes: Uint8Array): void;
  take(): SkippedMessage;
};

/** Enough for the header of an event and the table that its rows are of. */
const headBytes = 64;

export function skipMessage(): MessageSkipper {
  const head = Buffer.alloc(headBytes);
  let length = 0;
  let crc = 0;
  return {
    head,
    append(bytes) {
      if (length < headBytes) head.set(bytes.subarray(0, headBytes - length), length);
      crc = Bun.hash.crc32(length === 0 ? bytes.subarray(1) : bytes, crc);
      length += bytes.length;
    },
    take: () => ({ head: head.subarray(0, Math.min(length, headBytes)), length, crc }),
  };
}
