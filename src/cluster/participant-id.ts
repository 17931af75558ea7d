import { readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { DbusError } from "#src/errors.ts";
import { guarded, makePrivateFile } from "#src/state/state-files.ts";

const file = "participant-id";
const shape = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/**
 * Who this process is to the cluster, where the configuration does not say: made once and kept in
 * the data folder, which the caller holds. The name of the machine is in it for people, and no
 * address or port: those change, and a participant does not become another by that.
 * Throws STATE_UNWRITABLE, and STATE_CORRUPT when the file holds something else.
 */
export function persistedId(dir: string, newId: () => string, host = hostname()): string {
  const path = join(dir, file);
  makePrivateFile(path);
  const kept = guarded(path, () => readFileSync(path, "utf8")).trim();
  if (shape.test(kept)) return kept;
  if (kept !== "") {
    const remedy = "put the id of this participant into it, or set cluster.id and remove the file";
    throw new DbusError("STATE_CORRUPT", `${path} does not hold a participant's id`, { remedy });
  }
  const slug = host.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const name = slug.slice(0, 40).replace(/^-+|-+$/g, "") || "dbus";
  const random = newId()
    .toLowerCase()
    .replace(/[^a-z0-9]/g, "");
  const id = `${name}-${random.slice(-8)}`;
  guarded(path, () => writeFileSync(path, `${id}\n`, { mode: 0o600 }));
  return id;
}
