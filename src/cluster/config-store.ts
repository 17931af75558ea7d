import { createHash } from "node:crypto";
import { z } from "zod";
import type { ZkOperation, ZkSession, ZkWatcher } from "#src/clients/zookeeper/port.ts";
import { isZk } from "#src/clients/zookeeper/zk-error.ts";
import { DbusError } from "#src/errors.ts";
import { optional } from "./optional.ts";
import { paths } from "./paths.ts";
import { decode, encode } from "./records.ts";
import { createIfMissing } from "./register-resources.ts";

const count = z.int().min(1);

/** A configuration as it was pushed; never changed. `of`: the version that it brings back. */
export const configDocumentSchema = z.strictObject({
  text: z.string(),
  sha256: z.string(),
  by: z.string(),
  at: z.number(),
  of: count.nullable(),
});
export type ConfigDocument = z.output<typeof configDocumentSchema> & { readonly n: number };

/** Which of them counts. */
const pointerSchema = z.strictObject({ n: count, sha256: z.string() });
type Pointer = z.output<typeof pointerSchema>;

/**
 * ZooKeeper takes no request above `jute.maxbuffer`, 1 MiB unless its servers were told otherwise;
 * what does not fit is refused before it is sent, for the server would only close the connection.
 */
export const documentBytesMax = 1_000_000;
/** So many versions are kept. */
const versionsMax = 100;

const currentPath = `${paths.config}/current`;
const versionPath = (n: number): string => `${paths.config}/v_${String(n).padStart(10, "0")}`;

export type Push = {
  readonly text: string;
  readonly by: string;
  readonly at: number;
  /** Refused unless this version counts now; 0 is none. */
  readonly base?: number | undefined;
  readonly of?: number | null;
};

/**
 * Makes a text the configuration that counts, as a version of its own. Answers its number, and
 * whether it is new: the text that counts already is not pushed again. Whether it is right is for
 * the caller to know. Throws CLUSTER_CONFIG_TOO_LARGE, and CLUSTER_REFUSED when `base` does not count.
 */
export async function pushConfig(
  session: ZkSession,
  { text, by, at, base, of = null }: Push,
): Promise<{ readonly n: number; readonly changed: boolean }> {
  const sha256 = digestOf(text);
  const data = encode({ text, sha256, by, at, of } satisfies Omit<ConfigDocument, "n">);
  if (data.byteLength > documentBytesMax) {
    const sizes = `it takes ${data.byteLength} bytes, and ${documentBytesMax} are the most`;
    throw new DbusError("CLUSTER_CONFIG_TOO_LARGE", sizes);
  }
  await createIfMissing(session, paths.config, new Uint8Array(0));
  for (;;) {
    await session.sync(paths.config);
    const pointer = await readPointer(session);
    if (pointer?.record.sha256 === sha256) return { n: pointer.record.n, changed: false };
    const counts = pointer?.record.n ?? 0;
    if (base !== undefined && base !== counts) {
      const what = `version ${counts} counts now, and the change was made to version ${base}`;
      const remedy = "look at it with dbc config diff, and push again what you still want";
      throw new DbusError("CLUSTER_REFUSED", what, { remedy });
    }
    const versions = await versionsOf(session);
    const n = Math.max(counts, versions.at(-1) ?? 0) + 1;
    const next = encode({ n, sha256 } satisfies Pointer);
    const operations: ZkOperation[] = [
      { kind: "create", path: versionPath(n), data },
      pointer
        ? { kind: "set", path: currentPath, data: next, version: pointer.version }
        : { kind: "create", path: currentPath, data: next },
    ];
    try {
      await session.multi(operations);
    } catch (thrown) {
      // Another was faster, or the answer was lost: what counts now is looked at again.
      if (!isZk(thrown, "lost", "bad_version", "node_exists", "no_node")) throw thrown;
      continue;
    }
    await forgetOldest(session, versions);
    return { n, changed: true };
  }
}

/** The configuration that counts, null before the first; `watch` is told when another does. */
export async function currentConfig(
  session: ZkSession,
  watch?: ZkWatcher,
): Promise<ConfigDocument | null> {
  const pointer = await readPointer(session, watch);
  if (!pointer) return null;
  const { n, sha256 } = pointer.record;
  const found = await readConfig(session, n);
  if (found?.sha256 === sha256) return found;
  const what = `${currentPath} names version ${n}, which ${found ? "is another" : "is not there"}`;
  throw new DbusError("CLUSTER_STATE_CORRUPT", what);
}

/** One version; null when there is none of that number, or none any more. */
export async function readConfig(session: ZkSession, n: number): Promise<ConfigDocument | null> {
  const path = versionPath(n);
  const found = await optional(session, path, (data) => decode(configDocumentSchema, data, path));
  if (!found) return null;
  const { record } = found;
  if (digestOf(record.text) === record.sha256) return { ...record, n };
  throw new DbusError("CLUSTER_STATE_CORRUPT", `${path} was changed by hand`);
}

export type ConfigVersion = Omit<ConfigDocument, "text"> & {
  readonly bytes: number;
  /** Whether it is the one that counts. */
  readonly current: boolean;
};

/** What was pushed when and by whom, newest first, without the texts. */
export async function configVersions(session: ZkSession): Promise<readonly ConfigVersion[]> {
  if ((await session.exists(paths.config)) === null) return [];
  await session.sync(paths.config);
  const pointer = await readPointer(session);
  const versions: ConfigVersion[] = [];
  for (const n of (await versionsOf(session)).toReversed()) {
    const found = await readConfig(session, n);
    if (!found) continue;
    const { text, ...rest } = found;
    versions.push({ ...rest, bytes: Buffer.byteLength(text), current: pointer?.record.n === n });
  }
  return versions;
}

/** Not the folder is missing but the pointer, when nothing was pushed yet. */
async function readPointer(session: ZkSession, watch?: ZkWatcher) {
  for (;;) {
    try {
      const { data, stat } = await session.get(currentPath, watch);
      return { record: decode(pointerSchema, data, currentPath), version: stat.version };
    } catch (thrown) {
      if (!isZk(thrown, "no_node")) throw thrown;
    }
    if ((await session.exists(currentPath, watch)) === null) return null;
  }
}

async function versionsOf(session: ZkSession): Promise<number[]> {
  const { names } = await session.children(paths.config);
  const numbers = names.flatMap((name) => (/^v_\d+$/.test(name) ? [Number(name.slice(2))] : []));
  return numbers.toSorted((a, b) => a - b);
}

async function forgetOldest(session: ZkSession, versions: readonly number[]): Promise<void> {
  for (const n of versions.slice(0, Math.max(0, versions.length + 1 - versionsMax))) {
    await session.delete(versionPath(n), 0).catch((thrown: unknown) => {
      if (!isZk(thrown, "no_node", "lost")) throw thrown;
    });
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
