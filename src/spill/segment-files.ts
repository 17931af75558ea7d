import { constants } from "node:fs";
import { mkdir, open, readdir, readFile, stat, unlink } from "node:fs/promises";
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
/** Two places of the same size, written in turn: one of them is always whole. */
const SLOT = 32;

/** The number up to which all is acked, and in which place of the file it stands. */
export type Acked = { readonly number: number; readonly slot: 0 | 1 };

/**
 * The number up to which all is acked; 0 when nothing is known, which is never too much. The file is
 * made here, and only written over later: on a disk that is full of what was acked there would be no
 * room for a new one, and without it nothing could be deleted.
 */
export async function openAcked(dir: string): Promise<Acked> {
  const path = join(dir, ackedName);
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    bytes = Buffer.alloc(0);
  }
  if (bytes.length !== 2 * SLOT) {
    const file = await createSegmentFile(path);
    try {
      await file.writeFile(Buffer.alloc(2 * SLOT, " "));
      await file.sync();
    } finally {
      await file.close();
    }
    await syncFolder(dir);
    return { number: 0, slot: 1 };
  }
  const [first = 0, second = 0] = [0, SLOT].map((at) => numberIn(bytes.subarray(at, at + SLOT)));
  return first >= second ? { number: first, slot: 0 } : { number: second, slot: 1 };
}

function numberIn(slot: Uint8Array): number {
  const text = Buffer.from(slot).toString("latin1");
  const [, number = "", crc = ""] = /^(\d{1,16}) ([0-9a-f]{8})\n *$/.exec(text) ?? [];
  return number !== "" && crc === checksum(number) ? Number(number) : 0;
}

/** Durable when it resolves; what stood in the other place stays until then. */
export async function writeAcked(dir: string, { number, slot }: Acked): Promise<void> {
  const { O_WRONLY, O_NOFOLLOW } = constants;
  const file = await open(join(dir, ackedName), O_WRONLY | O_NOFOLLOW);
  try {
    const text = `${number} ${checksum(String(number))}\n`.padEnd(SLOT, " ");
    await file.write(Buffer.from(text, "latin1"), 0, SLOT, slot * SLOT);
    await file.datasync();
  } finally {
    await file.close();
  }
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
