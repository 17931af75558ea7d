import { lstatSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Makes a folder for sockets, with a name that nobody can know before, which only this user can
 * enter. Paths of sockets are short, so it cannot be in the data folder. What processes that were
 * killed have left of these is removed.
 */
export function makeSocketFolder(): string {
  const start = `dbus-http-${pidSpace()}-`;
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(start) ? /^(\d+)-/.exec(name.slice(start.length))?.[1] : undefined;
    if (pid !== undefined && !lives(Number(pid))) removeOwn(join(tmpdir(), name));
  }
  return mkdtempSync(join(tmpdir(), `${start}${process.pid}-`));
}

/** Containers that share the folder have processes of the same numbers: whose numbers these are. */
function pidSpace(): string {
  try {
    return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? "0";
  } catch {
    return "0";
  }
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** Nobody else can have put anything into a folder that is ours alone. */
function removeOwn(path: string): void {
  try {
    const found = lstatSync(path);
    const own = found.isDirectory() && found.uid === process.getuid?.();
    if (own && (found.mode & 0o077) === 0) rmSync(path, { recursive: true, force: true });
  } catch {
    // Somebody else has removed it at the same moment.
  }
}
