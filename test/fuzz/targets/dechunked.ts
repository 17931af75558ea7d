/**
 * The body in chunks (RFC 9112, 7.1), or undefined when it is not exactly that: what a server takes
 * must come from a body that everybody on the way reads alike.
 */
export function dechunked(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = bytes.indexOf("\r\n", at);
    if (end < 0) return undefined;
    const [, size] =
      /^([0-9a-fA-F]{1,12})[ \t]*(?:;[^\r\n]*)?$/.exec(bytes.toString("latin1", at, end)) ?? [];
    if (size === undefined) return undefined;
    const length = Number.parseInt(size, 16);
    at = end + 2;
    // A trailer adds nothing to the body, also when something is wrong with it.
    if (length === 0) return Buffer.concat(parts);
    if (at + length + 2 > bytes.length) return undefined;
    if (bytes.toString("latin1", at + length, at + length + 2) !== "\r\n") return undefined;
    parts.push(bytes.subarray(at, at + length));
    at += length + 2;
  }
}
