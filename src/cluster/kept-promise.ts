import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { guarded } from "#src/state/state-files.ts";
import type { PromiseMemory } from "./agreement.ts";

const file = "promised";

/** One that stays costs the next start a few seconds, and nothing else. */
function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {}
}

/**
 * That a promise may bind, as a file in the data folder: it is there from the first promise until a
 * stop that has waited for the last. `keep(true)` throws when it cannot be written.
 */
export function keptPromise(dir: string): PromiseMemory {
  const path = join(dir, file);
  let given = existsSync(path);
  return {
    get given() {
      return given;
    },
    keep(now) {
      if (now === given) return;
      if (now) guarded(path, () => writeFileSync(path, "", { mode: 0o600 }));
      else remove(path);
      given = now;
    },
  };
}
