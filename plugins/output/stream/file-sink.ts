import { constants } from "node:fs";
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  realpath,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { DbusError, type Log } from "#plugin";
import { mendTail } from "./mend-tail.ts";
import type { Sink } from "./sink.ts";

export type FileSinkOptions = {
  readonly path: string;
  readonly fsync: "batch" | "none";
  /** The folder that the file may not leave by a link; undefined where a person has named the file. */
  readonly within?: string | undefined;
  readonly rotate: { readonly bytesMax: number; readonly filesMax: number } | undefined;
  readonly log: Log;
};

/** Files that this process writes: mending one would cut off what another output appends. */
const taken = new Set<string>();

/**
 * Appends to a file. When a write fails half way, e.g. on a full disk, the file is cut back to where
 * the write began before anything else is written, so that lines are whole and come once. After an
 * error the file is opened anew: what the kernel kept of a failed sync is not to be trusted.
 */
export async function openFileSink(options: FileSinkOptions): Promise<Sink> {
  const { path, log } = options;
  if (taken.has(path)) throw new DbusError("STREAM_TARGET_SHARED", `${path} is written already`);
  taken.add(path);
  let file: FileHandle | undefined;
  let inode = 0;
  let size = 0;
  /** Devices and pipes are written too, but can be neither synced nor put aside. */
  let regular = true;

  const synced = (): boolean => options.fsync === "batch" && regular;

  async function reopen(): Promise<FileHandle> {
    await file?.close().catch(() => {});
    file = undefined;
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const { O_APPEND, O_CREAT, O_RDWR, O_NOFOLLOW } = constants;
    if (options.within !== undefined) await mustBeWithin(path, options.within);
    const follow = options.within === undefined ? 0 : O_NOFOLLOW;
    const opened = await open(path, O_APPEND | O_CREAT | O_RDWR | follow, 0o600);
    try {
      const found = await opened.stat();
      regular = found.isFile();
      size = regular ? await mendTail(opened, found.size, path, log) : 0;
      inode = found.ino;
      // What is in a new file is on the disk only when its name is, too.
      if (synced() && found.size === 0) await syncFolder(dirname(path));
    } catch (error) {
      await opened.close();
      throw error;
    }
    file = opened;
    return opened;
  }

  /** The file as it is named now: it may have been moved or deleted by somebody else. */
  async function current(): Promise<FileHandle> {
    if (!file) return reopen();
    const named = await stat(path).catch(() => undefined);
    if (named?.ino !== inode) return reopen();
    size = regular ? named.size : 0;
    return file;
  }

  async function write(lines: Buffer): Promise<void> {
    const target = await current();
    const start = size;
    try {
      for (let at = 0; at < lines.length; ) {
        const { bytesWritten } = await target.write(lines, at, lines.length - at);
        at += bytesWritten;
      }
      if (synced()) await target.datasync();
      if (regular) size = start + lines.length;
    } catch (error) {
      // Should this fail too, the next opening finds the torn line and cuts it off.
      await target.truncate(start).catch(() => {});
      await target.close().catch(() => {});
      file = undefined;
      throw error;
    }
  }

  async function rotate(): Promise<void> {
    await current();
    if (size === 0) return;
    if (synced()) await file?.datasync();
    await file?.close();
    file = undefined;
    await putAside(path, options.rotate?.filesMax ?? 1);
    await reopen();
  }

  let closed = false;
  /** The call that is on its way, of which there is one at a time. */
  let busy: Promise<unknown> = Promise.resolve();
  function coded(work: () => Promise<unknown>): Promise<void> {
    if (closed) throw new DbusError("STREAM_UNWRITABLE", `${path}: closed`);
    const done = work().then(
      () => {},
      (error) => throwCoded(path, error),
    );
    busy = done.catch(() => {});
    return done;
  }
  const sink: Sink = {
    write: (lines) => coded(() => write(lines)),
    room: () => (options.rotate ? Math.max(0, options.rotate.bytesMax - size) : Infinity),
    rotate: () => coded(rotate),
    // What a disk takes slowly would otherwise come behind what the next one has written.
    async close() {
      closed = true;
      await busy;
      await file?.close().catch(() => {});
      file = undefined;
      taken.delete(path);
    },
  };
  await coded(reopen).catch(async (error) => {
    await sink.close();
    throw error;
  });
  return sink;
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function throwCoded(path: string, error: unknown): never {
  if (error instanceof DbusError) throw error;
  const why = error instanceof Error ? error.message : String(error);
  throw new DbusError("STREAM_UNWRITABLE", `${path}: ${why}`, { cause: error });
}

/** Renames the file to the next number, which is never used again, and deletes the oldest. */
async function putAside(path: string, filesMax: number): Promise<void> {
  const folder = dirname(path);
  const start = `${basename(path)}.`;
  const numbers = (await readdir(folder))
    .filter((name) => name.startsWith(start) && /^\d{6,}$/.test(name.slice(start.length)))
    .map((name) => Number(name.slice(start.length)))
    .sort((a, b) => a - b);
  const numbered = (n: number) => join(folder, start + String(n).padStart(6, "0"));
  const next = (numbers.at(-1) ?? 0) + 1;
  await rename(path, numbered(next));
  const kept = [...numbers, next];
  for (const n of kept.slice(0, Math.max(0, kept.length - filesMax))) {
    await rm(numbered(n), { force: true });
  }
}

/** A link in the data folder could lead to a file of somebody else (S9). */
async function mustBeWithin(path: string, folder: string): Promise<void> {
  const [whole, real] = await Promise.all([realpath(folder), realpath(dirname(path))]);
  if (real.startsWith(whole.endsWith(sep) ? whole : whole + sep)) return;
  throw new DbusError("STREAM_UNWRITABLE", `${dirname(path)} is a link that leaves ${folder}`, {
    remedy: "remove the link, or name the file with file:",
  });
}
