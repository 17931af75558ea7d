import { constants } from "node:fs";
import { mkdir, open, readdir, readFile, rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { crc32c } from "../clients/kafka/crc32c.ts";

/** A file of the log: its first packet's number is its name. */
export type Segment = { readonly base: number; readonly path: string; size: number };

const named = /^(\d{16})\.spill$/;

export function segmentPath(dir: string, base: number): string {
  return join(dir, `${String(base).padStart(16, "0")}.spill`);
}

/** The segments of a folder, oldest first. The folder is made for its owner only. */
export async function listSegments(dir: string): Promise<Segment[]> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const segments: Segment[] = [];
  for (const name of await readdir(dir)) {
    const base = Number(named.exec(name)?.[1]);
    if (!(base >= 1)) continue;
    const path = join(dir, name);
    segments.push({ base, path, size: (await stat(path)).size });
  }
  return segments.sort((a, b) => a.base - b.base);
}

/** Makes a segment for writing; a link in its place is refused (S9). */
export function createSegmentFile(path: string) {
  const { O_CREAT, O_TRUNC, O_WRONLY, O_NOFOLLOW } = constants;
  return open(path, O_CREAT | O_TRUNC | O_WRONLY | O_NOFOLLOW, 0o600);
}

/** Makes durable which files there are. */
export async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const ackedName = "acked";

/** The number up to which all is acked; 0 when nothing is known, which is never too much. */
export async function readAcked(dir: string): Promise<number> {
  try {
    const text = await readFile(join(dir, ackedName), "utf8");
    const [, number = "", crc = ""] = /^(\d{1,16}) ([0-9a-f]{8})\n$/.exec(text) ?? [];
    return crc === checksum(number) ? Number(number) : 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return 0;
    throw error;
  }
}

/** Durable when it resolves. */
export async function writeAcked(dir: string, number: number): Promise<void> {
  const path = join(dir, ackedName);
  const file = await createSegmentFile(`${path}.new`);
  try {
    await file.writeFile(`${number} ${checksum(String(number))}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
  await syncFolder(dir);
}

function checksum(number: string): string {
  const bytes = Buffer.from(number);
  return crc32c(bytes, 0, bytes.length).toString(16).padStart(8, "0");
}

export async function removeSegment({ path }: Segment): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}
