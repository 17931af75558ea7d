import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A disk of its own in memory, small enough to be filled. */
export type SmallDisk = { readonly dir: string };

/**
 * Mounts a disk of that size, e.g. `1m`, until `atEnd` calls back. Throws where that may not be
 * done: it takes root.
 */
export function smallDisk(size: string, atEnd: (unmount: () => void) => void): SmallDisk {
  const dir = mkdtempSync(join(tmpdir(), "dbus-disk-"));
  const options = ["-t", "tmpfs", "-o", `size=${size},mode=0700`, "tmpfs", dir];
  const { status, stderr } = spawnSync("mount", options, { encoding: "utf8" });
  if (status !== 0) {
    rmSync(dir, { recursive: true });
    throw new Error(`no tmpfs can be mounted: ${stderr}`);
  }
  atEnd(() => {
    spawnSync("umount", ["-l", dir]);
    rmSync(dir, { recursive: true, force: true });
  });
  return { dir };
}
