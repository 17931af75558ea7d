/** How a protocol cuts its stream into frames. */
export type FrameRules = {
  /** Bytes of the head that are needed, given what is there of it; asked again as it grows. */
  headBytes(head: Buffer): number;
  /** Called with a complete head: the bytes of the frame with it, and whether the frame goes on. */
  open(head: Buffer): { readonly bytes: number; readonly pass: boolean };
  /** Called when the last byte of a frame has come that did not go on. */
  dropped?(): void;
};

/** Takes chunks cut anywhere, and gives what goes on of them. A head waits until it is whole. */
export function frameReader(rules: FrameRules): (chunk: Buffer) => Buffer[] {
  let head = Buffer.alloc(0);
  let left = 0;
  let pass = true;
  return (chunk) => {
    const out: Buffer[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (left > 0) {
        const part = chunk.subarray(at, at + left);
        at += part.length;
        left -= part.length;
        if (pass) out.push(part);
        else if (left === 0) rules.dropped?.();
        continue;
      }
      const needed = rules.headBytes(head);
      const part = chunk.subarray(at, at + needed - head.length);
      at += part.length;
      head = Buffer.concat([head, part]);
      if (head.length < rules.headBytes(head)) continue;
      const frame = rules.open(head);
      pass = frame.pass;
      left = frame.bytes - head.length;
      if (pass) out.push(head);
      else if (left === 0) rules.dropped?.();
      head = Buffer.alloc(0);
    }
    return out;
  };
}
