import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import type { CrashKey } from "./store.ts";

/**
 * Notes which packet a plugin is given, before it is: what the process that ends over it cannot
 * write down any more. A few microseconds a packet, since it need only outlive the process.
 */
export type AtHand = {
  hand(key: CrashKey): void;
  done(): void;
  close(): void;
};

export function createAtHand(path: string): AtHand {
  const file = openSync(path, "w", 0o600);
  return {
    // Only the first line counts: what is left of a longer one stands behind it.
    hand: (key) => void writeSync(file, `${JSON.stringify(key)}\n`, 0),
    done: () => void writeSync(file, "\n", 0),
    close() {
      closeSync(file);
      rmSync(path, { force: true });
    },
  };
}

/** The packet that was at hand when the process ended; null when none was. */
export function readAtHand(path: string): CrashKey | null {
  try {
    const [line = ""] = readFileSync(path, "utf8").split("\n", 1);
    return line === "" ? null : (JSON.parse(line) as CrashKey);
  } catch {
    return null;
  }
}
