import { writeSync } from "node:fs";

export const STANDARD_OUTPUT = 1;
export const STANDARD_ERROR = 2;

/**
 * Writes all of a text before it returns, so that nothing is lost when the process exits next. It
 * waits while a pipe is full, and does nothing when nobody reads any more: `dbc status | head -1`.
 */
export function writeWhole(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as { code?: unknown }).code !== "EAGAIN") return;
      Bun.sleepSync(1);
    }
  }
}
