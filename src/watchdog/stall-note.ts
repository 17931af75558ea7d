import { existsSync, readFileSync, rmSync } from "node:fs";
import { toDbusError } from "../errors.ts";
import type { Log } from "../log.ts";

/** Says what the note of a watchdog says that ended the process before this one, and removes it. */
export function tellOfStall(noteFile: string, log: Log): void {
  if (!existsSync(noteFile)) return;
  try {
    const note: unknown = JSON.parse(readFileSync(noteFile, "utf8"));
    log.error("the process before this one stood still and was ended", { note });
  } catch (error) {
    log.warn("the note of a stall cannot be read", { error: toDbusError(error) });
  }
  rmSync(noteFile, { force: true });
}
