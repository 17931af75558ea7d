/*
 * The first byte of a message from the server tells what it is ("Generic Response Packets" of the
 * MySQL source docs). In a binlog stream 0x00 is followed by an event:
 *
 *   OK  = 0x00 ...
 *   EOF = 0xfe warnings:u16le status:u16le            (shorter than 9 bytes)
 *   ERR = 0xff code:u16le ('#' sqlstate[5])? message
 */
export const okHead = 0x00;
export const eofHead = 0xfe;
export const errHead = 0xff;

/** An ERR message, as mysql2 would reject with it. */
export type ServerError = {
  readonly errno: number;
  readonly sqlState: string;
  readonly message: string;
};

/** Reads an ERR message; a cut one gives what there is of it. */
export function readServerError(message: Uint8Array): ServerError {
  const errno = message.length >= 3 ? message[1]! | (message[2]! << 8) : 0;
  const hasState = message[3] === 0x23;
  const text = new TextDecoder("utf-8");
  return {
    errno,
    sqlState: hasState ? text.decode(message.subarray(4, 9)) : "",
    message: text.decode(message.subarray(hasState ? 9 : 3)),
  };
}
