import { closeSync, openSync, readSync } from "node:fs";

/**
 * The whole of a file, a pipe or a device, of at most `bytesMax` bytes. What a device or a pipe
 * will come to is in no directory: so it is read, and not one byte beyond the limit. Throws what
 * the system says, and an Error when there is more.
 */
export function readBounded(path: string, bytesMax: number): Buffer {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(bytesMax + 1);
    let length = 0;
    for (;;) {
      const count = readSync(file, bytes, length, bytes.length - length, null);
      length += count;
      if (length > bytesMax) throw new Error(`larger than ${bytesMax} bytes`);
      if (count === 0) return bytes.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}
