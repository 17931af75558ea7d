import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A disk of its own in memory, small enough to be filled. */
export type SmallDisk = {
  readonly dir: string;
  unmount(): void;
};

/** Mounts a disk of that size, e.g. `1m`; null where this may not be done, which takes root. */
export function smallDisk(size: string): SmallDisk | null {
  const dir = mkdtempSync(join(tmpdir(), "dbus-disk-"));
  const options = ["-t", "tmpfs", "-o", `size=${size},mode=0700`, "tmpfs", dir];
  if (spawnSync("mount", options).status !== 0) {
    rmSync(dir, { recursive: true });
    return null;
  }
  return {
    dir,
    unmount() {
      spawnSync("umount", ["-l", dir]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
