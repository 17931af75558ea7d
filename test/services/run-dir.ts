import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const mine: string[] = [];

/**
 * A new folder for one server's data and logs. Its name carries the id of this process: what a
 * killed process left behind is removed by the next one that asks.
 */
export async function runDir(name: string): Promise<string> {
  const parent = join(tmpdir(), `dbus-services-${process.getuid?.() ?? 0}`);
  mkdirSync(parent, { recursive: true, mode: 0o755 });
  if (mine.length === 0) {
    sweep(parent);
    process.on("exit", () => {
      for (const dir of mine) rmSync(dir, { recursive: true, force: true });
    });
  }
  const dir = await mkdtemp(join(parent, `${process.pid}-${name}-`));
  mine.push(dir);
  return dir;
}

/** Removes a folder that `runDir` gave. */
export function removeRunDir(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
}

/** Lets a folder outlive this process: its server goes on in the background. */
export function keepRunDirs(): void {
  mine.length = 0;
}

function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const owner = /^(\d+)-/.exec(name)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    rmSync(join(parent, name), { recursive: true, force: true });
  }
}
