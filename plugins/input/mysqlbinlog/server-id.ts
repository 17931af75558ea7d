import { randomInt } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
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
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await writeFile(file, `${randomInt(idMin, idMax)}\n`, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    if ((cause as { code?: string }).code !== "EEXIST") {
      throw new DbusError("STATE_UNWRITABLE", `cannot write ${file}`, { cause });
    }
  }
  const written = await keptId(file);
  if (written !== undefined) return written;
  const remedy = "remove the file, a new one is made";
  throw new DbusError("STATE_CORRUPT", `${file} holds no server id`, { remedy });
}

async function keptId(file: string): Promise<number | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const id = /^\d{1,10}\s*$/.test(text) ? Number(text) : 0;
  return id > 0 && id < 2 ** 32 ? id : undefined;
}
