import { readFileSync, statSync } from "node:fs";

/** What a token must have at least, so that nobody finds one by trying. */
const tokenCharsMin = 16;
const fileBytesMax = 4096;

/** The token of a file, or what is wrong with it, for a sentence that begins with its path. */
export type TokenFile = {
  /** Changes with the file, also when another one is moved to its place. */
  readonly mark: string;
  readonly text?: string;
  readonly fault?: string;
};

/** Reads the one line of a token's file. Never throws, and never tells what is in it. */
export function readTokenFile(path: string): TokenFile {
  const mark = markOf(path);
  try {
    if (statSync(path).size > fileBytesMax) return { mark, fault: "is too long for a token" };
    const text = readFileSync(path, "utf8").trim();
    if (text.length < tokenCharsMin || !/^[\x21-\x7e]+$/.test(text)) {
      return { mark, fault: `holds no token of ${tokenCharsMin} characters or more` };
    }
    return { mark, text };
  } catch {
    return { mark, fault: "cannot be read" };
  }
}

/** Empty when there is no such file. */
export function markOf(path: string): string {
  try {
    const { dev, ino, size, mtimeMs } = statSync(path);
    return `${dev}:${ino}:${size}:${mtimeMs}`;
  } catch {
    return "";
  }
}
