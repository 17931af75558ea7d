import { randomInt } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DbusError } from "#plugin";

/** Above the ids that people give to their servers. */
const idMin = 2 ** 30;
const idMax = 2 ** 31;

/**
 * The id that a reader registers under when its config names none: drawn at random and kept in
 * `<stateDir>/<name>/server-id`, so that it is the same after a restart and no two readers share
 * one. Without a state folder it lasts as long as the reader. Raises STATE_UNWRITABLE.
 */
export async function ownServerId(stateDir: string, name: string): Promise<number> {
  if (stateDir === "") return randomInt(idMin, idMax);
  const dir = join(stateDir, name);
  const file = join(dir, "server-id");
  const kept = await keptId(file);
  if (kept !== undefined) return kept;
  const id = randomInt(idMin, idMax);
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    // By its name it is there whole or not at all, whenever the process is killed.
    await writeFile(`${file}.new`, `${id}\n`, { mode: 0o600 });
    await rename(`${file}.new`, file);
  } catch (cause) {
    throw new DbusError("STATE_UNWRITABLE", `cannot write ${file}`, { cause });
  }
  return id;
}

/** A file that is torn or damaged is as good as none: any id will do that nobody else has. */
async function keptId(file: string): Promise<number | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const id = /^\d{10}\n$/.test(text) ? Number(text) : 0;
  return id >= idMin && id < idMax ? id : undefined;
}
