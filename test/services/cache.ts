import { existsSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { progress } from "./progress.ts";

/** The folder for what is downloaded once: DBUS_CACHE, or the user's cache folder. */
export function cacheDir(): string {
  const chosen = process.env.DBUS_CACHE;
  if (chosen) return chosen;
  return join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "dbus");
}

/**
 * Returns the folder `name` of the cache, filled by `fill` when it is not there yet. The folder
 * appears whole or not at all: it is filled under another name and then renamed. Two processes
 * that ask at once fill it once, the second waits.
 */
export async function cached(name: string, fill: (dir: string) => Promise<void>): Promise<string> {
  const dir = join(cacheDir(), name);
  if (existsSync(dir)) return dir;
  await mkdir(cacheDir(), { recursive: true });
  return withLock(`${dir}.lock`, async () => {
    if (existsSync(dir)) return dir;
    const partial = `${dir}.partial`;
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { recursive: true });
    await fill(partial);
    await rename(partial, dir);
    return dir;
  });
}

/**
 * Runs `work` while holding an flock(2) on `path`. The lock is held by a child whose standard
 * input we keep open, so the kernel releases it however this process ends.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const holder = Bun.spawn(["flock", "-x", path, "sh", "-c", "echo locked; exec cat >/dev/null"], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const waiting = setTimeout(
    () => progress(`another process is filling ${path.replace(/\.lock$/, "")}, waiting for it`),
    2_000,
  );
  try {
    const first = await holder.stdout.getReader().read();
    if (first.done) throw new Error(`cannot lock ${path}: flock (util-linux) is needed`);
    clearTimeout(waiting);
    return await work();
  } finally {
    clearTimeout(waiting);
    holder.stdin.end();
    await holder.exited;
  }
}

/** Bytes in all files under `dir`; files that vanish meanwhile count as nothing. */
export async function folderBytes(dir: string): Promise<number> {
  const names = await readdir(dir, { recursive: true }).catch(() => []);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(dir, name)).then(
        (entry) => (entry.isFile() ? entry.size : 0),
        () => 0,
      ),
    ),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
