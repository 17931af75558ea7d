import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { detachedDir } from "./detached.ts";

const mine = new Set<string>();
process.on("exit", () => {
  for (const dir of mine) rmSync(dir, { recursive: true, force: true });
});

/**
 * A new folder for one server's data and logs. Its name carries the id of this process: what a
 * killed process left behind is removed by the next one that asks. The folder of a server that
 * goes on in the background lies where `services up` says, and `services down` removes it.
 */
export async function runDir(name: string): Promise<string> {
  const background = detachedDir();
  if (background !== undefined) return mkdtemp(join(background, `${name}-`));
  const parent = runParent();
  mkdirSync(parent, { recursive: true, mode: 0o755 });
  if (mine.size === 0) sweepRunDirs();
  const dir = await mkdtemp(join(parent, `${process.pid}-${name}-`));
  mine.add(dir);
  return dir;
}

/** Removes a folder that `runDir` gave. */
export function removeRunDir(dir: string): void {
  rmSync(dir, { recursive: true, force: true });
  mine.delete(dir);
}

/** Removes the folders whose process is no more. */
export function sweepRunDirs(): void {
  const parent = runParent();
  for (const name of existsSync(parent) ? readdirSync(parent) : []) {
    const owner = /^(\d+)-/.exec(name)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    rmSync(join(parent, name), { recursive: true, force: true });
  }
}

function runParent(): string {
  return join(tmpdir(), `dbus-services-${process.getuid?.() ?? 0}`);
}
