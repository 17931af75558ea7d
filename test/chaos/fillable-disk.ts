import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { smallDisk } from "../support/small-disk.ts";

/** A small disk that can be filled to its last byte, and emptied again. */
export type FillableDisk = {
  readonly dir: string;
  readonly full: boolean;
  fill(): void;
  free(): void;
  unmount(): void;
};

export function fillableDisk(size: string): FillableDisk {
  let undo = () => {};
  const { dir } = smallDisk(size, (atEnd) => {
    undo = atEnd;
  });
  // A signal may end the rounds before this one is over.
  process.once("exit", undo);
  const unmount = () => {
    process.off("exit", undo);
    undo();
  };
  const ballast = join(dir, "ballast");
  let full = false;
  return {
    ...{ dir, unmount },
    get full() {
      return full;
    },
    fill() {
      full = true;
      for (let size = 1 << 20; size >= 1; size = Math.floor(size / 2)) {
        try {
          for (;;) writeFileSync(ballast, Buffer.alloc(size), { flag: "a" });
        } catch {
          // Full for this size: try a smaller one.
        }
      }
    },
    free() {
      rmSync(ballast, { force: true });
      full = false;
    },
  };
}
