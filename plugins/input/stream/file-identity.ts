import type { BigIntStats } from "node:fs";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { FilePosition } from "./stream-input-config.ts";

export type FileIdentity = FilePosition["file"];

/** How much of a file's beginning tells it from another one with the same inode number. */
const HEAD_BYTES = 1024;

/** Who a file is, by what is in it so far. */
export async function identify(file: FileHandle): Promise<FileIdentity> {
  const { dev, ino } = await file.stat();
  const head = await headOf(file, HEAD_BYTES);
  return { device: dev, inode: ino, head: Bun.hash.crc32(head), headBytes: head.length };
}

/** Whether this is that file: it may have grown since, but never have shrunk below `offset`. */
export async function isFile(
  file: FileHandle,
  { file: { device, inode, head, headBytes }, offset }: FilePosition,
): Promise<boolean> {
  const found = await file.stat();
  if (found.dev !== device || found.ino !== inode || found.size < offset) return false;
  const bytes = await headOf(file, headBytes);
  return bytes.length === headBytes && Bun.hash.crc32(bytes) === head;
}

async function headOf(file: FileHandle, length: number): Promise<Buffer> {
  const head = Buffer.alloc(length);
  const { bytesRead } = await file.read(head, 0, length, 0);
  return head.subarray(0, bytesRead);
}

export type Sibling = { readonly path: string; readonly inode: number; readonly modified: bigint };

/**
 * The file of that path and those it was rotated to (`x.log` to `x.log.1`, `x.log-20261123`,
 * `x.log.000001`), the one that was written to last at the end.
 */
export async function siblings(path: string): Promise<Sibling[]> {
  const start = basename(path);
  const names = await readdir(dirname(path)).catch(() => []);
  const rotated = names.filter(
    (name) => name.startsWith(start) && /^[.-]\d[\d._-]*$/.test(name.slice(start.length)),
  );
  const found = await Promise.all(
    rotated.map(async (name): Promise<Sibling | undefined> => {
      const one = join(dirname(path), name);
      const stats = await stat(one, { bigint: true }).catch(() => undefined);
      return stats?.isFile() ? siblingOf(one, stats) : undefined;
    }),
  );
  const newest = await stat(path, { bigint: true }).catch(() => undefined);
  const ordered = found.filter((one) => one !== undefined).sort(byTime);
  return newest?.isFile() ? [...ordered, siblingOf(path, newest)] : ordered;
}

function siblingOf(path: string, { ino, mtimeNs }: BigIntStats): Sibling {
  return { path, inode: Number(ino), modified: mtimeNs };
}

/** By time; the clock of files is coarse, so numbers in names decide between equal ones. */
function byTime(a: Sibling, b: Sibling): number {
  if (a.modified !== b.modified) return a.modified < b.modified ? -1 : 1;
  const [one, other] = [suffixOf(a.path), suffixOf(b.path)];
  // x.log.000002 and x.log-20261123 count upwards in time, x.log.2 downwards.
  const upwards = Math.min(one.length, other.length) >= 6;
  return upwards ? (one < other ? -1 : 1) : Number(other) - Number(one);
}

function suffixOf(path: string): string {
  return /\d[\d._-]*$/.exec(path)?.[0] ?? "";
}

/** The file of a position under its present name, opened; undefined when it is gone. */
export async function findFile(
  path: string,
  position: FilePosition,
): Promise<FileHandle | undefined> {
  for (const one of (await siblings(path)).reverse()) {
    if (one.inode !== position.file.inode) continue;
    const file = await open(one.path, "r");
    if (await isFile(file, position)) return file;
    await file.close();
  }
  return undefined;
}
