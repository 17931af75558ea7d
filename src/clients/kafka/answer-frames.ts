/** What a broker itself takes at most (`socket.request.max.bytes`). */
const answerBytesMax = 100 * 1024 * 1024;
const sizeBytes = 4;
/** Every answer begins with its correlation id. */
const answerBytesMin = 4;

/** A TLS server begins so what it says to somebody who does not speak TLS: an alert, version 3.x. */
const tlsAlert = 0x1503;

/** Follows `size:i32 bytes` over chunks that are cut anywhere; throws at a size that cannot be. */
export function createFrameCheck(): (chunk: Uint8Array) => void {
  const head = Buffer.alloc(sizeBytes);
  let headFill = 0;
  let left = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length; ) {
      if (left > 0) {
        const taken = Math.min(left, chunk.length - at);
        left -= taken;
        at += taken;
        continue;
      }
      head[headFill++] = chunk[at++]!;
      if (headFill < sizeBytes) continue;
      headFill = 0;
      left = head.readInt32BE(0);
      if (left >>> 16 === tlsAlert) throw new Error("the broker answers by TLS");
      if (left < answerBytesMin || left > answerBytesMax) {
        throw new Error(`the broker announced an answer of ${left} bytes`);
      }
    }
  };
}
